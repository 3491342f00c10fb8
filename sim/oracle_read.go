package sim

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/record"
)

// A reader's position is the offset behind the last record that it was given, or what it sought; it goes elsewhere by itself only if the position is outside the
// log, for a reason, and the reader is told. Between seeks no record is given twice or left out.

// look compares the machine's positions with what they must be, and takes what has come. It reports whether that may have given the machine something to do.
func (r *reading) look() (again bool) {
	r.positions()
	for r.c.w.failure == nil && !r.isBusy() {
		chunk := r.k.Take(r.c.m, int64(r.c.w.now))
		if chunk == nil {
			break
		}
		again = true
		r.took(chunk)
		r.positions()
	}
	return again && r.c.w.failure == nil
}

// isBusy reports whether the application is at something else: what comes waits.
func (r *reading) isBusy() bool { return r.c.w.now < r.busy }

func (r *reading) positions() {
	for i := range r.parts {
		p := &r.parts[i]
		at, _, _ := r.k.Position(r.c.topic.Name, int32(i))
		switch {
		case at == p.at:
		case p.at == record.NoOffset:
			r.found(i, at)
			p.at = at
		default:
			r.fail("position", i, "the position is %d; %d is the next record to be given", at, p.at)
			return
		}
	}
}

func (r *reading) fail(oracle string, i int, format string, args ...any) {
	r.c.w.fail(Correctness, oracle, fmt.Sprintf("%s reads %s-%d: ", r.c.name, r.c.topic.Name, i)+fmt.Sprintf(format, args...))
}

// took takes what a partition was given: it follows what was given before.
func (r *reading) took(chunk *proto.Chunk) {
	w, i := r.c.w, int(chunk.Partition)
	p := &r.parts[i]
	if p.paused {
		r.fail("paused", i, "it is paused and gives records")
	}
	received, err := chunk.Records(w.codec, nil)
	if err == nil {
		err = chunk.Err
	}
	if r.passOver(i, received, err) {
		return
	}
	if err != nil {
		r.refused(i, err)
		return
	}
	if len(received) == 0 {
		r.fail("gap", i, "it is given nothing at offset %d", p.at)
		return
	}
	if s := p.sought; s.kind == soughtTime && !r.c.topic.AppendTime && !r.excused(i) && r.oneLeader(i) && p.at < s.floor && received[0].Timestamp < s.time {
		r.fail("position", i, "offset %d was found for timestamp %d, and is of %d", p.at, s.time, received[0].Timestamp)
	}
	from := p.at
	for k := range received {
		if received[k].Offset != p.at {
			r.fail("gap", i, "offset %d is given where %d should follow", received[k].Offset, p.at)
			return
		}
		p.at++
		r.enter(i, &received[k])
	}
	w.past.polled(r.c, int32(i), p.call, from, p.at, &r.read)
	p.sought, p.powers = sought{}, p.since
}

// enter enters a record into the ledger. If it has waited while the power failed nobody knows which process served it.
func (r *reading) enter(i int, record *proto.Received) {
	l, p := &r.c.w.ledger, &r.parts[i]
	if p.since == p.fetched || r.c.topic.Durable() {
		l.served(r.c.opt.Topic, int32(i), record, p.fetched)
	} else {
		s := l.seen(r.c.topic, record, p.fetched)
		l.check(r.c.opt.Topic, int32(i), record.Offset, &s)
	}
	r.read.got(l, record.Offset, nameOf(record.Key, record.Value))
	if r.final {
		l.last(r.c.opt.Topic, int32(i), record)
	}
}

// refused takes an error of a partition: the machine reads on when the reader seeks.
func (r *reading) refused(i int, err error) {
	p := &r.parts[i]
	switch outside := errors.Is(err, proto.ErrOffsetOutOfRange); {
	case outside && r.reset != proto.ResetNone:
		r.fail("reads", i, "%v, with auto.offset.reset=%v", err, r.reset)
	case outside && r.outside(i), errors.Is(err, proto.ErrTruncated) && r.excused(i):
		r.seek(i, sought{kind: soughtEarliest})
	default:
		r.fail("reads", i, "position %d: %v", p.at, err)
	}
}

// outside reports whether a position may be outside the log.
func (r *reading) outside(i int) bool {
	p, part := &r.parts[i], r.c.w.ledger.part(r.c.opt.Topic, int32(i))
	start, known := r.c.w.logStart(r.c.topic.Name, int32(i))
	_, hit := part.hurtAt(p.at)
	return hit || r.excused(i) || !r.oneLeader(i) || // what was read is gone, or who answers has not heard that it leads no more
		r.c.w.opt.Deletes && (!known || p.at < max(start, part.start)) || // or deleted
		r.c.w.opt.Deletes && r.c.w.cfg.BlackBox && p.powers < r.c.w.ledger.powers || // or was, by a start that did not outlive a power loss, and that nobody sees from outside
		p.sought.kind == soughtOffset && p.at > p.sought.floor // or was never known to be there
}

// excused reports whether a power loss may have taken what a partition's position rests on.
func (r *reading) excused(i int) bool {
	return !r.c.topic.Durable() && r.parts[i].powers < r.c.w.ledger.powers
}

// oneLeader reports whether a partition has had one leader only: one that has not heard of its successor yet answers by what it has, and finds nothing of what that has acknowledged.
func (r *reading) oneLeader(i int) bool {
	return r.c.w.alone() || r.c.w.epochOf(r.c.topic.Name, int32(i)) <= 0
}

// moved takes what the reset policy did with a position.
func (r *reading) moved(m *proto.Moved) {
	i := int(m.Partition)
	p := &r.parts[i]
	if m.From != p.at || r.reset == proto.ResetNone || !r.outside(i) {
		r.fail("position", i, "it is moved from %d to %d; it was %d, with auto.offset.reset=%v", m.From, m.To, p.at, r.reset)
		return
	}
	r.sought(i, sought{kind: map[proto.Reset]soughtKind{proto.ResetEarliest: soughtEarliest, proto.ResetLatest: soughtLatest}[r.reset]})
	p.sought.floor = 0 // it was asked for some time ago
	r.found(i, m.To)
	p.at = m.To
	r.c.w.past.sought(r.c, int32(i), m.To)
}

// found checks where a partition was found to begin.
func (r *reading) found(i int, at record.Offset) {
	w, s := r.c.w, r.parts[i].sought
	part := w.ledger.part(r.c.opt.Topic, int32(i))
	start, end, known := w.bounds(r.c.topic.Name, int32(i))
	if !r.c.topic.Durable() || len(part.hurts) > 0 || !known || !w.alone() {
		return // the log may since have come to begin or to end elsewhere
	}
	least, most := record.Offset(0), end
	switch s.kind {
	case soughtEarliest:
		most = start
	case soughtLatest:
		least, most = max(0, s.floor-s.offset), max(end-s.offset, start)
	case soughtTime:
		if first := w.ledger.firstSince(r.c, int32(i), s); first != record.NoOffset {
			most = max(first, start)
		}
		if at > most && part.doubts > 0 { // a wrong read, once: the lookup checks no CRC of what it passes
			part.doubts--
			return
		}
	}
	if w.opt.Deletes {
		most = end // the log start that was told may not have outlived a power loss
	}
	if at < least || at > most {
		r.fail("position", i, "%+v is found at %d, and lies between %d and %d", s, at, least, most)
	}
}

// bounds returns where a partition begins and ends; false while the node does not serve.
func (w *World) bounds(topic string, partition int32) (start, end record.Offset, known bool) {
	_, s, ok := w.leads(topic, partition)
	return s.LogStart, s.LogEnd, ok
}

// firstSince returns the lowest offset below what was acknowledged at a seek that holds a record at least as young as was sought; NoOffset if nobody knows any.
func (l *ledger) firstSince(c *client, partition int32, s sought) record.Offset {
	first := record.NoOffset
	for client := range l.records {
		for i := range l.records[client] {
			g := &l.records[client][i]
			if !c.topic.AppendTime && l.w.clients[client].topic == c.topic && g.partition == partition && g.offset >= 0 && g.offset < s.floor && g.timestamp >= s.time && (first < 0 || g.offset < first) {
				first = g.offset
			}
		}
	}
	return first
}

// passOver takes what a partition was given, or was answered without records, if the disk has damaged what is there and the reader was told so or found out by itself:
// what is good counts, and the reader goes on behind what is not.
func (r *reading) passOver(i int, received []proto.Received, err error) bool {
	w, p, part := r.c.w, &r.parts[i], r.c.w.ledger.part(r.c.opt.Topic, int32(i))
	good := 0
	for good < len(received) && received[good].Offset == p.at+record.Offset(good) {
		good++
	}
	elsewhere := errors.Is(err, proto.ErrOffsetOutOfRange) || errors.Is(err, proto.ErrTruncated)
	bad := err != nil && !elsewhere || good < len(received)
	to, hit := part.hurtAt(p.at)
	late := part.wasHurt && !r.final // it was on its way when the damage was mended
	switch {
	case !bad && len(received) == 0 && hit:
		w.reach(markCorruptTold)
		r.goOn(i, to)
		return true
	case !bad || part.doubts == 0 && !part.hurtFrom(p.at) && !late:
		return false
	}
	w.reach(markCorruptServed)
	for k := range received[:good] {
		r.enter(i, &received[k])
	}
	if good > 0 {
		w.past.polled(r.c, int32(i), p.call, p.at, p.at+record.Offset(good), &r.read)
	}
	next := p.at + record.Offset(good)
	if to, hit := part.hurtAt(next); hit {
		next = to
	} else if to, posed := part.posedAt(next); posed {
		next = to
	} else if part.doubts > 0 { // a wrong read, once
		part.doubts--
	} else if good == 0 && !late {
		return false
	}
	r.goOn(i, next)
	return true
}

// hears looks at the answer to a Fetch before the machine does: on one connection the high watermark and the log start never go back.
func (r *reading) hears(resp *kmsg.FetchResponse) {
	waits := r.k.Ready()
	r.each(resp, func(i int, told *kmsg.FetchResponseTopicPartition) {
		p := &r.parts[i]
		if told.ErrorCode != 0 {
			return
		}
		if !waits && !p.paused {
			p.since, p.call = r.c.powers, max(r.heardAt, r.c.since)
		}
		hw, start := record.Offset(told.HighWatermark), record.Offset(told.LogStartOffset)
		if hw < p.mark && r.c.w.alone() {
			r.fail("watermark", i, "the high watermark goes back from %d to %d", p.mark, hw)
		}
		if start >= 0 && start < p.start && (r.c.w.alone() || !r.c.w.opt.Deletes) { // another leader may not have deleted as much yet
			r.fail("log start", i, "the log start goes back from %d to %d", p.start, start)
		}
		p.mark, p.start, p.told = hw, max(start, p.start), max(hw, p.told)
		if len(told.RecordBatches) > 0 {
			p.fetched = r.c.powers
		}
	})
	r.heardAt = r.c.w.past.event()
}

// newsMax is how long a partition may go without news of what was acknowledged while others of its session have some: longer than a node that has just started needs
// to sync what it kept, and a client to find out where its position is in a new epoch.
const newsMax = 20 * Second

// heard looks at the answer when the machine has taken it: what was told to be damaged is passed over; and of a partition that is not named, there must be nothing
// new. floors are what was acknowledged when it was asked.
func (r *reading) heard(resp *kmsg.FetchResponse, floors []record.Offset) {
	now := r.c.w.now
	failed := make([]bool, len(r.parts))
	r.each(resp, func(i int, told *kmsg.FetchResponseTopicPartition) {
		if failed[i] = told.ErrorCode != 0; len(told.RecordBatches) == 0 && !r.parts[i].paused && !r.isBusy() {
			r.passOver(i, nil, nil)
		}
	})
	for i := range floors {
		switch p := &r.parts[i]; {
		case p.told >= floors[i], p.paused, r.isBusy(), failed[i], resp.ErrorCode != 0, !r.c.topic.Durable(), r.c.w.offline(r.c.topic.Name, int32(i)):
			p.behind = 0
		case p.behind == 0:
			p.behind = now
		case now-p.behind > newsMax:
			r.fail("session", i, "%s without news; the high watermark was told as %d, and offsets below %d are acknowledged", now-p.behind, p.told, floors[i])
		}
	}
}

// offline reports whether nobody serves a partition: its directory was given up, or no node is there.
func (w *World) offline(topic string, partition int32) bool {
	n, _, ok := w.leads(topic, partition)
	if !ok {
		return true
	}
	d := n.dirOf(topic, partition)
	return d == nil || d.lost
}

// each goes through the partitions of an answer.
func (r *reading) each(resp *kmsg.FetchResponse, do func(i int, told *kmsg.FetchResponseTopicPartition)) {
	for t := range resp.Topics {
		for p := range resp.Topics[t].Partitions {
			told := &resp.Topics[t].Partitions[p]
			if int(told.Partition) >= len(r.parts) {
				r.c.w.fail(Correctness, "protocol", fmt.Sprintf("%s: partition %d is told of, and nobody asked", r.c.name, told.Partition))
				return
			}
			do(int(told.Partition), told)
		}
	}
}

// lost forgets what answers of a connection said. What retention deletes is not gone for good before the disk says so: a later process may have it again.
func (r *reading) lost() {
	for i := range r.parts {
		p := &r.parts[i]
		p.mark, p.behind = 0, 0
		if r.c.w.opt.Deletes {
			p.start = 0
		}
	}
}
