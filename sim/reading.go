package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
)

// reading reads the partitions of a topic, and meanwhile does what applications do: it seeks, pauses partitions and asks for latest offsets. The last readers of a
// world, too: those read every partition from its log start up to what its latest offset was. What they are given oracle_read.go judges.
type reading struct {
	c       *client
	k       *proto.Consumer
	rng     prng.Source
	reset   proto.Reset
	parts   []cursor // empty: nothing is assigned yet
	next    Time     // of the application's own doings
	busy    Time     // until then it takes nothing
	asks    bool     // a latest offset is asked for
	final   bool
	heardAt int64 // the event in which the last answer came
	read    read  // what is being taken
	edit    *ClientEdit
}

// cursor is one partition as its reader must find it.
type cursor struct {
	at     record.Offset // the next record to be given; NoOffset: sought and not told yet
	sought sought        // what at rests on, if nothing was read since
	powers int           // losses before what at rests on: the process that served it, or the seek
	since  int           // losses when nothing was waiting to be taken last
	paused bool
	call   int64 // the event before which nothing that waits was served

	// As answers told, whatever the machine made of them.
	fetched int           // losses before the process that gave the last records
	told    record.Offset // highest high watermark
	behind  Time          // since when that is below what was acknowledged; 0: it is not
	mark    record.Offset // high watermark on the present connection
	start   record.Offset // log start, too
	latest  record.Offset // by ListOffsets
	end     record.Offset // final: where to stop; NoOffset: not known yet
}

// sought is what an application sought.
type sought struct {
	kind   soughtKind
	offset record.Offset     // soughtOffset; soughtLatest: so many before the end
	time   record.UnixMillis // soughtTime
	floor  record.Offset     // what was acknowledged then
}

type soughtKind uint8

const (
	soughtNothing soughtKind = iota // at was read up to
	soughtOffset
	soughtEarliest
	soughtLatest
	soughtTime
)

func newReading(c *client) *reading {
	o := c.opt
	r := &reading{c: c, edit: c.edit(), rng: source(c.w.opt.Seed, forReads+purpose(c.id)), reset: o.Reset}
	r.k = c.m.NewConsumer(proto.ConsumerConfig{MinBytes: o.MinBytes, MaxBytes: o.MaxBytes, PartitionMaxBytes: o.MaxBytes, MaxWait: int64(o.MaxWaitMs+1) * int64(Millisecond),
		Reset: o.Reset, NoSessions: !o.Sessions})
	return r
}

// startReaders begins the last phase: for each topic somebody who reads all of it.
func (w *World) startReaders() {
	for i := range w.opt.Topics {
		from := w.clientOf(i)
		if from == nil {
			continue // nobody was there to make it
		}
		opt := &ClientOptions{Topic: i, Timeout: 5 * Second, Versions: Versions{11, 12, 8, 12}, MaxBytes: 1 << 20, MaxWaitMs: 100, MinBytes: 1, Sessions: from.opt.Sessions, Reset: proto.ResetNone}
		c := newClient(w, int32(len(w.clients)), opt)
		c.begin()
		c.r, c.known = newReading(c), true
		c.r.final = true
		w.clients = append(w.clients, c)
	}
}

func (w *World) clientOf(topic int) *client {
	for _, c := range w.clients {
		if c.opt.Topic == topic {
			return c
		}
	}
	return nil
}

// work does what the application does of its own accord.
func (r *reading) work() {
	now := r.c.w.now
	switch {
	case !r.c.known || r.edit != nil && r.edit.NoReads:
		return
	case len(r.parts) == 0:
		r.assign()
	case r.c.w.phase == phaseDrain:
		r.busy = 0
		for i := range r.parts {
			r.pause(i, false)
		}
	case now < r.next || r.asks || r.quiet():
		return
	case r.final:
		r.next = now + 20*Millisecond
		for i := range r.parts {
			if r.parts[i].end == record.NoOffset {
				r.listLatest(i)
				return
			}
		}
	default:
		r.next = now + Time(r.rng.N(uint64(Second)))
		r.act(r.rng.IntN(len(r.parts)))
	}
}

// quiet reports whether it does nothing besides reading, if that.
func (r *reading) quiet() bool { return r.edit != nil && (r.edit.NoReads || r.edit.Steady) }

// assign begins with every partition, somewhere.
func (r *reading) assign() {
	r.parts = make([]cursor, r.c.topic.Partitions)
	for i := range r.parts {
		r.parts[i].end = record.NoOffset
		r.k.Assign(r.c.m, int64(r.c.w.now), r.c.topic.Name, int32(i), proto.At(0))
		r.sought(i, sought{kind: soughtOffset})
		if !r.final && r.rng.IntN(3) == 0 && !r.quiet() {
			r.seek(i, r.draw(i))
		}
	}
}

// act does something with one partition.
func (r *reading) act(i int) {
	switch r.rng.IntN(8) {
	case 0, 1:
		r.seek(i, r.draw(i))
	case 2, 3:
		r.pause(i, !r.parts[i].paused)
	case 4:
		r.busy = r.c.w.now + Time(r.rng.N(uint64(2*Second)))
		r.next = r.busy
	default:
		r.listLatest(i)
	}
}

// draw draws where to read on: mostly near the end, sometimes behind it.
func (r *reading) draw(i int) sought {
	rng, end := &r.rng, r.acked(i)
	switch rng.IntN(8) {
	case 0:
		return sought{kind: soughtEarliest}
	case 1, 2:
		return sought{kind: soughtLatest}
	case 3:
		return sought{kind: soughtLatest, offset: record.Offset(rng.IntN(20))}
	case 4:
		return sought{kind: soughtTime, time: wallBase + record.UnixMillis(rng.N(uint64(r.c.w.now/Millisecond+1)))}
	case 5:
		return sought{kind: soughtOffset, offset: end + record.Offset(rng.IntN(10))}
	}
	return sought{kind: soughtOffset, offset: max(0, end-record.Offset(rng.IntN(40)))}
}

// acked is what every acknowledged record of a partition lies below.
func (r *reading) acked(i int) record.Offset {
	return r.c.w.ledger.part(r.c.opt.Topic, int32(i)).ackedEnd
}

// floor is what a latest offset does not lie below. In a cluster one that has just begun to lead, or does no longer and has not heard of it, may know less than others
// have acknowledged.
func (r *reading) floor(i int) record.Offset {
	if !r.c.w.alone() {
		return 0
	}
	return r.acked(i)
}

// floors are those of all partitions.
func (r *reading) floors() []record.Offset {
	out := make([]record.Offset, len(r.parts))
	for i := range out {
		out[i] = r.floor(i)
	}
	return out
}

// seek has a partition read from elsewhere.
func (r *reading) seek(i int, s sought) {
	start := proto.At(s.offset)
	switch s.kind {
	case soughtEarliest:
		start = proto.Earliest()
	case soughtLatest:
		start = proto.Latest(int64(s.offset))
	case soughtTime:
		start = proto.AtTime(s.time)
	}
	r.k.Seek(r.c.m, int64(r.c.w.now), r.c.topic.Name, int32(i), start)
	r.sought(i, s)
}

func (r *reading) sought(i int, s sought) {
	p := &r.parts[i]
	s.floor = r.acked(i)
	p.at, p.sought, p.powers, p.since = record.NoOffset, s, r.c.powers, r.c.powers
	if s.kind == soughtOffset {
		p.at = s.offset
	}
	p.call = r.c.w.past.event()
	r.c.w.past.sought(r.c, int32(i), p.at)
}

// goOn has a partition read from an offset on that is no other place than it was at: what lies between cannot be read.
func (r *reading) goOn(i int, from record.Offset) {
	if part := r.c.w.ledger.part(r.c.opt.Topic, int32(i)); r.final {
		part.passed = append(part.passed, span{r.parts[i].at, from})
	}
	powers := r.parts[i].powers
	r.seek(i, sought{kind: soughtOffset, offset: from})
	r.parts[i].powers = powers
}

func (r *reading) pause(i int, paused bool) {
	if r.parts[i].paused != paused {
		r.parts[i].paused, r.parts[i].behind = paused, 0
		r.k.Pause(r.c.m, int64(r.c.w.now), r.c.topic.Name, int32(i), paused)
	}
}

// listLatest asks for the latest offset of a partition.
func (r *reading) listLatest(i int) {
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = r.c.topic.Name
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = int32(i), latest
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r.asks = true
	floor, call := r.floor(i), r.c.w.past.event()
	r.c.do(proto.Operation{Request: req, Target: proto.Leader(t.Topic, p.Partition), MaxVersion: -1}, func(resp kmsg.Response) {
		r.asks = false
		r.listed(i, floor, call, &resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0])
	})
}

// latest is ListOffsets' timestamp for the end.
const latest = -1

// listed takes a latest offset. It may be wanting for a while, but it is never behind what was acknowledged when it was asked, nor behind an earlier one.
func (r *reading) listed(i int, floor record.Offset, call int64, told *kmsg.ListOffsetsResponseTopicPartition) {
	w, p := r.c.w, &r.parts[i]
	at := record.Offset(told.Offset)
	switch code := errcode.Code(told.ErrorCode); {
	case code == errcode.OffsetNotAvailable, code == errcode.LeaderNotAvailable, code == errcode.KafkaStorageError && (w.mayLose() || w.marks[markReplicaWiped]): // of a replica whose disk is new, while nobody leads that it could be copied from
		return
	case (code == errcode.NotLeaderOrFollower || code == errcode.UnknownTopicOrPartition || code == errcode.FencedLeaderEpoch || code == errcode.UnknownLeaderEpoch) && !w.alone(): // it is asked again
		return
	case code != errcode.None:
		w.fail(Correctness, "watermark", fmt.Sprintf("%s-%d: the latest offset is not told: %v", r.c.topic.Name, i, code))
		return
	}
	if least := max(floor, p.latest); r.c.topic.Durable() && at < least && w.alone() {
		w.fail(Correctness, "watermark", fmt.Sprintf("%s-%d: the latest offset is %d; acknowledged or told before was %d", r.c.topic.Name, i, at, least))
	}
	p.latest = at
	w.past.latest(r.c, int32(i), call, at)
	if r.final {
		p.end = at
	}
}

// due returns when work may have something to do by itself.
func (r *reading) due() (Time, bool) {
	w := r.c.w
	return r.next, r.c.known && !r.asks && !r.quiet() && (w.phase == phaseSafety || w.phase == phaseRead && r.unfinished() != "")
}

// unfinished: a last reader reads to the end; any other one reads, once faults have stopped, all that was acknowledged.
func (r *reading) unfinished() string {
	for i := range r.parts {
		p, until := &r.parts[i], r.acked(i)
		switch {
		case r.final && p.end == record.NoOffset:
			return fmt.Sprintf("the end of partition %d is not known", i)
		case r.final:
			until = p.end
		case r.c.opt.MinBytes > r.c.opt.MaxBytes || len(r.c.w.ledger.part(r.c.opt.Topic, int32(i)).hurts) > 0:
			continue // it waits for more than it takes, batch by batch; or there may be nothing that it can read
		}
		if p.at < until {
			return fmt.Sprintf("partition %d is read up to %d of %d", i, p.at, until)
		}
	}
	if r.final && len(r.parts) == 0 {
		return "nothing is assigned"
	}
	return ""
}
