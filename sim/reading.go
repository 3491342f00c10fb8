package sim

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// reading reads the partitions of a topic in turn, and now and then asks for their latest offset. The last readers of a world, too: those read
// one partition up to what its latest offset was.
type reading struct {
	c       *client
	line    *line
	readers []*proto.Reader
	session *proto.Session  // all partitions are read together, in a fetch session; nil: one after the other
	floors  []record.Offset // session: what was acknowledged of each partition when it last asked
	behind  []Time          // session: since when it has not heard of that; 0: it has
	turn    int
	busy    bool
	again   Time

	asked  int           // the partition whose latest offset is asked for
	floor  record.Offset // what it must not be below
	latest []record.Offset
	marks  []record.Offset // high watermark as this connection has seen it
	starts []record.Offset
	powers []int // losses before what the reader has read

	final bool
	ends  []record.Offset // final: where to stop; NoOffset: not yet known
}

func newReading(c *client) *reading {
	n := int(c.topic.Partitions)
	r := &reading{c: c, readers: make([]*proto.Reader, n), latest: make([]record.Offset, n), marks: make([]record.Offset, n), starts: make([]record.Offset, n),
		powers: make([]int, n), ends: make([]record.Offset, n), floors: make([]record.Offset, n), behind: make([]Time, n)}
	for i := range r.ends {
		r.ends[i] = record.NoOffset
	}
	return r
}

// startReaders begins the last phase: for each topic somebody who reads all of it.
func (w *World) startReaders() {
	for i := range w.opt.Topics {
		opt := &ClientOptions{Topic: i, Timeout: 5 * Second, FetchVersion: 12, MaxBytes: 1 << 20, MaxWaitMs: 100, MinBytes: 1, Sessions: w.opt.Clients[0].Sessions}
		from := w.clientOf(i)
		if from == nil {
			continue // nobody was there to make it
		}
		c := newClient(w, int32(len(w.clients)), opt)
		c.known, c.id128 = true, from.id128
		r := newReading(c)
		r.final = true
		r.line = c.add("f", r)
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

func (r *reading) poll(now Time) kmsg.Request {
	if !r.c.known || r.busy || now < r.again || r.unfinished() == "" && r.final {
		return nil
	}
	rng := &r.c.rng
	for r.turn = (r.turn + 1) % len(r.readers); r.final && r.read(r.turn); {
		r.turn = (r.turn + 1) % len(r.readers)
	}
	if r.final && r.ends[r.turn] == record.NoOffset || !r.final && rng.IntN(10) == 0 {
		return r.listOffsets()
	}
	var req kmsg.Request
	if r.c.opt.Sessions {
		req = r.pollSession(now)
	} else {
		req = r.reader(r.turn).Poll(int64(now))
	}
	r.busy = req != nil
	return req
}

// reader returns the reader of a partition, which it makes where there is none.
func (r *reading) reader(i int) *proto.Reader {
	if r.readers[i] == nil {
		r.readers[i] = proto.NewReader(r.config(i))
		r.powers[i] = r.line.ch.powers
	}
	return r.readers[i]
}

func (r *reading) config(i int) proto.ReaderConfig {
	o := r.c.opt
	return proto.ReaderConfig{Topic: r.c.topic.Name, TopicID: r.c.id128, Partition: int32(i), MaxBytes: o.MaxBytes, MinBytes: o.MinBytes, MaxWaitMs: o.MaxWaitMs,
		Version: o.FetchVersion, Codec: r.c.w.codec}
}

// pollSession asks for all partitions together; the last readers forget those that they have read. Now and then another one forgets one for a while.
func (r *reading) pollSession(now Time) kmsg.Request {
	if r.session == nil {
		r.session = proto.NewSession(r.config(0), len(r.readers))
	}
	readers := make([]*proto.Reader, len(r.readers))
	for i := range readers {
		if !r.final || !r.read(i) {
			readers[i] = r.reader(i)
		}
	}
	if n := len(readers); !r.final && n > 1 && r.c.rng.IntN(8) == 0 {
		readers[r.c.rng.IntN(n)] = nil
	}
	for i := range r.floors {
		r.floors[i] = r.c.w.ledger.part(r.c.opt.Topic, int32(i)).ackedEnd
	}
	return r.session.Poll(int64(now), readers)
}

// newsMax is how long a session may go without news of what was acknowledged: longer than a node that has just started needs to sync what it kept.
const newsMax = 3 * Second

// hear checks that a session tells of all that was acknowledged: of a partition that it does not name, there must be nothing new.
func (r *reading) hear() {
	now := r.c.w.now
	for i, reader := range r.readers {
		switch {
		case reader == nil || !r.session.Knows(i) || !r.c.topic.Durable() || max(reader.HighWatermark(), r.marks[i]) >= r.floors[i]:
			r.behind[i] = 0
		case r.behind[i] == 0:
			r.behind[i] = now
		case now-r.behind[i] > newsMax:
			r.c.w.fail(Correctness, "session", fmt.Sprintf("%s-%d: %s without news; the high watermark was told as %d, and offsets below %d are acknowledged",
				r.c.topic.Name, i, now-r.behind[i], reader.HighWatermark(), r.floors[i]))
		}
	}
}

// listOffsets asks for the latest offset of a partition; sometimes by time, which only must not fail.
func (r *reading) listOffsets() kmsg.Request {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(7)
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = r.c.topic.Name
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = int32(r.turn), -1
	if !r.final && r.c.rng.IntN(4) == 0 {
		p.Timestamp = int64(wallBase) + int64(r.c.rng.N(uint64(r.c.w.now/Millisecond+1)))
	}
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r.busy, r.asked = true, r.turn
	r.floor = r.c.w.ledger.part(r.c.opt.Topic, int32(r.turn)).ackedEnd
	return req
}

func (r *reading) answered(req kmsg.Request, resp kmsg.Response) {
	r.busy = false
	if list, ok := resp.(*kmsg.ListOffsetsResponse); ok {
		if req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -1 {
			r.listed(&list.Topics[0].Partitions[0])
		}
		return
	}
	now := int64(r.c.w.now)
	if r.session == nil {
		position := r.readers[r.turn].Position()
		received, err := r.readers[r.turn].Answered(now, resp)
		if err == nil && !tells(resp.(*kmsg.FetchResponse)) { // what the reader knows is of before
			r.passOver(r.turn, position, nil, nil)
			return
		}
		r.took(r.turn, position, received, err)
		if err == nil && len(received) == 0 && (r.c.opt.MaxWaitMs == 0 && !r.final || r.c.opt.MinBytes == 0 && position == r.readers[r.turn].Position()) {
			r.again = r.c.w.now + 20*Millisecond // nothing new: no need to ask all the time
		}
		return
	}
	positions := make([]record.Offset, len(r.readers))
	for i, reader := range r.readers {
		if reader != nil {
			positions[i] = reader.Position()
		}
	}
	any := false
	r.session.Answered(now, resp, r.readers, func(partition int32, received []proto.Received, err error) {
		any = any || len(received) > 0
		r.took(int(partition), positions[partition], received, err)
	})
	r.toldCorrupt(resp.(*kmsg.FetchResponse), positions)
	r.hear()
	if !any && (r.c.opt.MaxWaitMs == 0 || r.c.opt.MinBytes == 0) {
		r.again = r.c.w.now + 20*Millisecond
	}
}

// tells reports whether the answer for one partition says more than an error.
func tells(resp *kmsg.FetchResponse) bool {
	return resp.ErrorCode == 0 && len(resp.Topics) > 0 && len(resp.Topics[0].Partitions) > 0 && resp.Topics[0].Partitions[0].ErrorCode == 0
}

// took takes what a partition was given at its position.
func (r *reading) took(i int, position record.Offset, received []proto.Received, err error) {
	w := r.c.w
	if r.passOver(i, position, received, err) {
		return
	}
	if err != nil {
		if r.excused(i) && errors.Is(err, proto.ErrOutOfRange) {
			r.readers[i] = nil // what it stood behind is lost, as its topic allows: it begins anew
			return
		}
		if start, known := w.logStart(r.c.topic.Name, int32(i)); w.opt.Retains && errors.Is(err, proto.ErrOutOfRange) && (!known || position < max(start, w.ledger.part(r.c.opt.Topic, int32(i)).began)) {
			r.restart(i, max(start, position)) // as auto.offset.reset=earliest does
			return
		}
		w.fail(Correctness, "reads", fmt.Sprintf("%s-%d: %v", r.c.topic.Name, i, err))
		return
	}
	r.watch(i, r.readers[i])
	for k := range received {
		if received[k].Offset != position {
			w.fail(Correctness, "gap", fmt.Sprintf("%s-%d: offset %d is read where %d should follow", r.c.topic.Name, i, received[k].Offset, position))
			return
		}
		position++
		w.ledger.served(r.c.opt.Topic, int32(i), &received[k], r.line.ch.powers)
		if r.final {
			w.ledger.last(r.c.opt.Topic, int32(i), &received[k])
		}
	}
}

// passOver takes what a partition was given at its position, if the disk has damaged what is there and the reader was told so or found out by itself: what is good
// counts, and the reader goes on behind what is not.
func (r *reading) passOver(i int, position record.Offset, received []proto.Received, err error) bool {
	w, p := r.c.w, r.c.w.ledger.part(r.c.opt.Topic, int32(i))
	good := 0
	for good < len(received) && received[good].Offset == position+record.Offset(good) {
		good++
	}
	bad := err != nil && !errors.Is(err, proto.ErrOutOfRange) || good < len(received)
	to, hit := p.hurtAt(position)
	switch {
	case !bad && len(received) == 0 && hit:
		w.reach(markCorruptTold)
		r.restart(i, to)
		return true
	case !bad || p.doubts == 0 && !p.hurtFrom(position):
		return false
	}
	w.reach(markCorruptServed)
	for k := range received[:good] {
		w.ledger.served(r.c.opt.Topic, int32(i), &received[k], r.line.ch.powers)
		if r.final {
			w.ledger.last(r.c.opt.Topic, int32(i), &received[k])
		}
	}
	next := position + record.Offset(good)
	if to, hit := p.hurtAt(next); hit {
		next = to
	} else if p.doubts > 0 { // a wrong read, once
		p.doubts--
	} else if good == 0 {
		return false
	}
	r.restart(i, next)
	return true
}

// toldCorrupt passes over what a session was told to be damaged.
func (r *reading) toldCorrupt(resp *kmsg.FetchResponse, positions []record.Offset) {
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[j]; errcode.Code(p.ErrorCode) == errcode.CorruptMessage {
				r.passOver(int(p.Partition), positions[p.Partition], nil, nil)
			}
		}
	}
}

// restart has a partition read from an offset on.
func (r *reading) restart(i int, from record.Offset) {
	cfg := r.config(i)
	cfg.From = from
	r.readers[i] = proto.NewReader(cfg)
}

// excused reports whether a power loss may have taken what the reader of a partition has read.
func (r *reading) excused(i int) bool { return !r.c.topic.Durable() && r.powers[i] < r.line.ch.powers }

// watch checks that on one connection the high watermark and the log start never go back.
func (r *reading) watch(i int, reader *proto.Reader) {
	hw, start := reader.HighWatermark(), reader.LogStart()
	if hw < r.marks[i] && hw > 0 { // one that was answered an error has not heard of any
		r.c.w.fail(Correctness, "watermark", fmt.Sprintf("%s-%d: the high watermark goes back from %d to %d", r.c.topic.Name, i, r.marks[i], hw))
	}
	if start < r.starts[i] && hw > 0 {
		r.c.w.fail(Correctness, "log start", fmt.Sprintf("%s-%d: the log start goes back from %d to %d", r.c.topic.Name, i, r.starts[i], start))
	}
	r.marks[i], r.starts[i] = max(hw, r.marks[i]), max(start, r.starts[i])
}

// listed takes a latest offset. It may be wanting for a while, but it is never behind what was acknowledged when it was asked, nor behind an earlier one.
func (r *reading) listed(p *kmsg.ListOffsetsResponseTopicPartition) {
	i, w := r.asked, r.c.w
	at := record.Offset(p.Offset)
	switch code := errcode.Code(p.ErrorCode); {
	case code == errcode.OffsetNotAvailable:
		r.again = w.now + 20*Millisecond
		return
	case code == errcode.KafkaStorageError && w.mayLose():
		r.again = w.now + 20*Millisecond
		return
	case code != errcode.None:
		w.fail(Correctness, "watermark", fmt.Sprintf("%s-%d: the latest offset is not told: %v", r.c.topic.Name, i, code))
		return
	}
	if least := max(r.floor, r.latest[i]); r.c.topic.Durable() && at < least {
		w.fail(Correctness, "watermark", fmt.Sprintf("%s-%d: the latest offset is %d; acknowledged or told before was %d", r.c.topic.Name, i, at, least))
	}
	r.latest[i] = at
	if r.final {
		r.ends[i] = at
	}
}

func (r *reading) lost() {
	r.busy = false
	clear(r.marks)
	if r.c.w.opt.Retains { // what retention deletes is not gone for good before the disk says so: a later process may have it again
		clear(r.starts)
	}
	if r.session != nil {
		r.session.Lost()
		clear(r.behind)
	}
	for _, reader := range r.readers {
		if reader != nil {
			reader.Lost()
		}
	}
}

func (r *reading) deadline(now Time) (Time, bool) {
	at := r.again
	if r.session != nil {
		if d, ok := r.session.Deadline(int64(now)); ok {
			at = max(at, Time(d))
		}
	}
	for _, reader := range r.readers {
		if reader != nil {
			if d, ok := reader.Deadline(int64(now)); ok {
				at = max(at, Time(d))
			}
		}
	}
	return at, !r.busy && at > now
}

// read reports whether a last reader has come to the end of a partition.
func (r *reading) read(i int) bool {
	end := r.ends[i]
	return end != record.NoOffset && (end == 0 || r.readers[i] != nil && r.readers[i].Position() >= end)
}

func (r *reading) unfinished() string {
	if !r.final {
		return ""
	}
	for i, end := range r.ends {
		if !r.read(i) {
			return fmt.Sprintf("partition %d is not read to its end %d", i, end)
		}
	}
	return ""
}
