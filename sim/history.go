package sim

import (
	"cmp"
	"fmt"
	"slices"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/linearizability"
)

// history is what clients could write down: when they gave what, what they were told, and what they read. Judges that know nothing of the simulator look at it when
// the run is over. Times are the numbers of events.
type history struct {
	w     *World
	ops   linearizability.History
	sent  linearizability.History // produces, which go behind the rest
	calls [][]int64               // by client and record: when it was given
	lost  [][]int64               // by topic and partition: since when its end may be gone; 0: it is not
}

func (h *history) init(w *World) {
	h.w = w
	h.calls = make([][]int64, len(w.opt.Clients))
	for i, c := range w.opt.Clients {
		g := linearizability.ExactlyOnce
		switch {
		case c.Acks == 0:
			g = linearizability.AtMostOnce
		case !c.Idempotent:
			g = linearizability.AtLeastOnce
		}
		h.ops = append(h.ops, linearizability.Operation{Op: linearizability.Client, Process: i, Guarantee: g})
	}
	for _, t := range w.opt.Topics {
		h.lost = append(h.lost, make([]int64, t.Partitions))
	}
}

// event is the number of the present event.
func (h *history) event() int64 { return int64(h.w.events) }

func (h *history) add(op linearizability.Operation, topic int, partition int32) {
	op.Topic, op.Partition = h.w.opt.Topics[topic].Name, partition
	h.ops = append(h.ops, op)
}

// valueOf is the number of a record that a client gave, from 1.
func valueOf(client int, id uint64) uint64 { return uint64(client+1)<<32 | id }

// given enters that a client has given its next record.
func (h *history) given(c *client) { h.calls[c.id] = append(h.calls[c.id], h.event()) }

// made enters that a topic is there. Nothing was lost of it before.
func (h *history) made(topic int) { clear(h.lost[topic]) }

// delivered enters what a client was told of records. Those that were given one after the other, and lie so, are one produce, which began when the last was given.
func (h *history) delivered(c *client, d *proto.Delivery, code errcode.Code) {
	one := true
	for i := 1; i < len(d.IDs); i++ {
		one = one && d.IDs[i] == d.IDs[i-1]+1
	}
	step := 1
	if one {
		step = len(d.IDs)
	}
	for i := 0; i < len(d.IDs); i += step {
		op := linearizability.Operation{Op: linearizability.Produce, Process: int(c.id), Outcome: linearizability.OK, Acks: c.opt.Acks, Return: h.event(), Since: c.since, Offset: linearizability.NoOffset}
		if code != errcode.None {
			op.Outcome = linearizability.Unknown
		} else if d.Offset != record.NoOffset {
			op.Offset = int64(d.Offset) + int64(i)
		}
		for _, id := range d.IDs[i : i+step] {
			op.Call = max(op.Call, h.calls[c.id][id-1])
			op.Values = append(op.Values, valueOf(int(c.id), id))
		}
		op.Topic, op.Partition = c.topic.Name, d.Partition
		h.sent = append(h.sent, op)
	}
}

// read is what a reader was given of a partition in one go.
type read struct {
	offsets []int64
	values  []uint64
}

// got enters one record into it.
func (r *read) got(l *ledger, offset record.Offset, name string) {
	value := uint64(1) << 63 // nobody gave it
	if at, ok := l.names[name]; ok {
		value = valueOf(at.client, uint64(at.index)+1)
	}
	r.offsets, r.values = append(r.offsets, int64(offset)), append(r.values, value)
}

// polled enters a read that cannot have been served before the event since, and has ended.
func (h *history) polled(c *client, partition int32, since int64, from, next record.Offset, r *read) {
	h.add(linearizability.Operation{Op: linearizability.Poll, Process: int(c.id), Call: since, Return: h.event(), Offset: int64(from), Next: int64(next),
		Offsets: r.offsets, Values: r.values}, c.opt.Topic, partition)
	*r = read{}
}

// sought enters that a reader's position was set; NoOffset: it is not known yet.
func (h *history) sought(c *client, partition int32, at record.Offset) {
	h.add(linearizability.Operation{Op: linearizability.Seek, Process: int(c.id), Call: h.event(), Return: h.event(), Offset: int64(at)}, c.opt.Topic, partition)
}

// latest enters a latest offset that was asked for at call, and answered on the present connection.
func (h *history) latest(c *client, partition int32, call int64, at record.Offset) {
	h.add(linearizability.Operation{Op: linearizability.Latest, Process: int(c.id), Call: max(call, c.since), Return: h.event(), Offset: int64(at)}, c.opt.Topic, partition)
}

// powerLost enters that the ends of relaxed topics may be gone.
func (h *history) powerLost() {
	for i := range h.lost {
		for p := range h.lost[i] {
			if h.lost[i][p] == 0 && !h.w.opt.Topics[i].Durable() {
				h.lost[i][p] = h.event()
			}
		}
	}
}

// opened enters where a log begins and ends that was recovered: elsewhere, if its topic is relaxed and the power failed, or if it is damaged; but never, of a durable topic, below
// what was acknowledged.
func (h *history) opened(topic int, partition int32, start, end record.Offset) {
	part := h.w.ledger.part(topic, partition)
	call := h.lost[topic][partition]
	if call == 0 {
		if len(part.hurts) == 0 {
			return
		}
		call, end = h.event(), max(end, part.ackedEnd)
	}
	h.lost[topic][partition] = 0
	if lost := call < h.event(); lost && start == end && end > 0 {
		// It ended below the start that DeleteRecords promised, or may have: whatever was there may be lost, with what was known of its producers, and the log goes on at start.
		h.add(linearizability.Operation{Op: linearizability.End, Process: int(h.w.nodes[0].id), Call: call, Return: h.event(), Offset: 0}, topic, partition)
		call = h.event()
	}
	h.add(linearizability.Operation{Op: linearizability.End, Process: int(h.w.nodes[0].id), Call: call, Return: h.event(), Offset: int64(end)}, topic, partition)
}

// Record is what became of a run, for those who tell of it.
type Record struct {
	Times   []Time // by number of event, from 1: Times[0] is that of event 1
	History linearizability.History
}

// At is when an event happened.
func (r *Record) At(event int64) Time { return r.Times[max(0, min(event-1, int64(len(r.Times)-1)))] }

// soFar is the history of a run that may have ended anywhere: of what was given and is not delivered nobody knows. Where the judges were not reached, nobody has read
// everything at the end, either.
func (h *history) soFar() linearizability.History {
	sent := slices.Clone(h.sent)
	for client, all := range h.w.ledger.records {
		o := &h.w.opt.Clients[client]
		for i := range all {
			if g := &all[i]; !g.acked && !g.refused {
				sent = append(sent, linearizability.Operation{Op: linearizability.Produce, Process: client, Topic: h.w.opt.Topics[o.Topic].Name, Partition: g.partition, Acks: o.Acks,
					Call: h.calls[client][i], Return: -1, Outcome: linearizability.Unknown, Offset: linearizability.NoOffset, Values: []uint64{valueOf(client, uint64(i)+1)}})
			}
		}
	}
	// What one client gave in one event stands in the order in which it gave it.
	slices.SortFunc(sent, func(a, b linearizability.Operation) int { return cmp.Compare(a.Values[0], b.Values[0]) })
	return slices.Concat(h.ops, sent)
}

// created enters that a log is made: of one that was lost whole nothing is left.
func (h *history) created(name string, partition int32) {
	for i := range h.lost {
		if h.w.opt.Topics[i].Name == name && int(partition) < len(h.lost[i]) && h.lost[i][partition] > 0 {
			h.opened(i, partition, 0, 0)
		}
	}
}

// withoutLost takes from the reads that were under way while a log lost its end what they found there; the reader just goes on behind. It may be of before, and be there again
// at the same offset, since its producer has sent it again: no order of what one of each did explains that.
func withoutLost(all linearizability.History) (out linearizability.History) {
	type place struct {
		topic     string
		partition int32
	}
	ends := map[place][]linearizability.Operation{}
	for _, op := range all {
		if op.Op == linearizability.End {
			ends[place{op.Topic, op.Partition}] = append(ends[place{op.Topic, op.Partition}], op)
		}
	}
	for _, op := range all {
		k := len(op.Offsets)
		if op.Op == linearizability.Poll {
			for _, end := range ends[place{op.Topic, op.Partition}] {
				for op.Call < end.Return && end.Call < op.Return && k > 0 && op.Offsets[k-1] >= end.Offset {
					k--
				}
			}
		}
		if k == len(op.Offsets) {
			out = append(out, op)
			continue
		}
		behind := op
		behind.Op, behind.Call, behind.Offset, behind.Next, behind.Offsets, behind.Values = linearizability.Seek, op.Return, op.Next, 0, nil, nil
		if op.Offsets, op.Values = op.Offsets[:k:k], op.Values[:k:k]; k > 0 {
			op.Next = op.Offsets[k-1] + 1
			out = append(out, op)
		}
		out = append(out, behind)
	}
	return out
}

// judge shows the history to the judges.
func (h *history) judge() {
	for topic := range h.w.opt.Topics {
		for partition := range h.w.opt.Topics[topic].Partitions {
			h.end(topic, partition)
		}
	}
	// A leader that is cut off from the others, and has not heard that another one leads, answers with the latest offset that it knows: as Kafka's, it promises no more.
	all := slices.DeleteFunc(h.soFar(), func(op linearizability.Operation) bool {
		return op.Topic != "" && (!h.w.keeps(op.Topic) || h.w.ledger.ledHurt(op.Topic, op.Partition)) || op.Op == linearizability.Latest && !h.w.alone()
	})
	v, err := linearizability.Check(withoutLost(all), linearizability.Options{Draw: h.w.cfg.Draw})
	if err != nil {
		h.w.fail(Correctness, "page", err.Error())
		return
	}
	h.w.judged = v.Operations
	for a, n := range v.Allowed { // any order: sums
		h.w.allowed[a] += n
	}
	if !v.Good() && h.w.failure == nil {
		f := v.Findings[0]
		h.w.failure = &failure{Correctness, string(f.Anomaly), fmt.Sprintf("%s: %s (%d findings)", f.Part, f.Text, len(v.Findings))}
		h.w.note("world", h.w.failure.found)
	}
}

// end enters what damage has hit in a partition, and what the last reader read of it.
func (h *history) end(topic int, partition int32) {
	part := h.w.ledger.part(topic, partition)
	at := linearizability.Operation{Op: linearizability.Damaged, Call: h.event(), Return: h.event()}
	for _, s := range part.hurts {
		if at.Offset, at.Next = int64(s.from), int64(s.to); s.to > s.from {
			h.add(at, topic, partition)
		}
	}
	start, end, ok := h.w.bounds(h.w.opt.Topics[topic].Name, partition)
	if !ok {
		return // given up with its directory, or never made
	}
	var r read
	for _, last := range part.last {
		if last.offset >= start {
			r.got(&h.w.ledger, last.offset, last.name)
		}
	}
	at.Op, at.Process, at.Offset, at.Next, at.Offsets, at.Values = linearizability.Final, len(h.w.opt.Clients)+topic, int64(start), int64(end), r.offsets, r.values
	h.add(at, topic, partition)
}
