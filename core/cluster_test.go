package core

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
)

// voters are three cores whose metadata logs are one quorum's. Their calls and disks take some milliseconds each; what is not synced is lost with the process.
type voters struct {
	t      *testing.T
	rng    prng.Source
	now    Instant
	nodes  []*voterNode
	events []voterEvent
	seq    int
	apart  map[NodePair]bool
	calls  func(from int, body kmsg.Request) // nil: nobody listens
}

// NodePair is one direction between two nodes.
type NodePair struct{ from, to int }

type voterEvent struct {
	at       Instant
	seq, who int
	life     int
	do       func()
}

type voterNode struct {
	id      int
	core    *Core
	fx      Effects
	life    int
	log     []record.Batch
	synced  int
	state   []byte
	exists  bool
	replies map[int32]func(*Reply)
	corr    int32
	cuts    int
	self    Loopback
	appends []int32 // records of each batch of metadata
	marks   map[string][]byte
	stopped string
	refuse  bool // a halt is expected
	mayLose bool // so is the end of a directory
	dirs    int  // more directories than one
	halted  string
	found   []Event // Opened, of what recovery finds at the next start
}

func newVoters(t *testing.T, seed uint64) *voters {
	v := &voters{t: t, rng: prng.FromNumber(seed, 3), apart: map[NodePair]bool{}}
	for i := range 3 {
		v.nodes = append(v.nodes, &voterNode{id: i})
		v.start(i)
	}
	return v
}

func (v *voters) after(ms int64, who int, do func()) {
	v.seq++
	v.events = append(v.events, voterEvent{v.now + Instant(ms)*1_000_000, v.seq, who, v.nodes[who].life, do})
}

func (v *voters) delay() int64 { return int64(1 + v.rng.N(8)) }

func (v *voters) run(ms int64) {
	for until := v.now + Instant(ms)*1_000_000; ; {
		best, at, timer := -1, Instant(math.MaxInt64), -1
		for i, e := range v.events {
			if best < 0 || e.at < at || e.at == at && e.seq < v.events[best].seq {
				best, at = i, e.at
			}
		}
		for i, n := range v.nodes {
			if n.core == nil {
				continue
			}
			if d, ok := n.core.Deadline(); ok && max(d, v.now) < at {
				timer, at = i, max(d, v.now)
			}
		}
		if at > until {
			v.now = until
			return
		}
		v.now = at
		if timer >= 0 {
			v.step(timer, Event{Kind: EvTimeout})
			v.now++
			continue
		}
		e := v.events[best]
		v.events = slices.Delete(v.events, best, best+1)
		if v.nodes[e.who].life == e.life && v.nodes[e.who].core != nil {
			e.do()
		}
	}
}

func (v *voters) start(i int) {
	n := v.nodes[i]
	n.life++
	clean := n.marks
	n.log = n.log[:n.synced]
	n.core, n.replies, n.self = New(), map[int32]func(*Reply){}, Loopback{}
	n.marks, n.stopped = map[string][]byte{}, ""
	dir := Dir{ID: record.UUID{15: byte(200 + i)}, Free: 1 << 40}
	if mark, ok := clean[CleanMark]; ok {
		_, err := fmt.Sscanf(string(mark), `{"version":0,"brokerEpoch":%d}`, &dir.Epoch)
		dir.Clean = err == nil
	}
	dirs := []Dir{dir}
	for k := 1; k < n.dirs; k++ {
		dirs = append(dirs, Dir{ID: record.UUID{14: byte(k), 15: byte(200 + i)}, Free: 1 << 40})
	}
	port := func(id int) string { return fmt.Sprintf("%d@h%d:9093", id, id) }
	boot := &Boot{ClusterID: "c", NodeID: record.NodeID(i), Incarnation: record.UUID{1, byte(i), byte(n.life)}, Seed: [32]byte{byte(i), byte(n.life)},
		Config: []KeyValue{{"node.id", fmt.Sprint(i)}, {"controller.quorum.voters", port(0) + "," + port(1) + "," + port(2)},
			{"listeners", "PLAINTEXT://h:9092,CONTROLLER://h:9093"}, {"controller.listener.names", "CONTROLLER"}},
		Dirs: dirs, QuorumState: n.state, Metadata: *n.opened(), Streams: len(n.found)}
	v.step(i, Event{Kind: EvBoot, Boot: boot})
	for _, ev := range n.found {
		v.step(i, ev)
	}
	n.found = nil
}

func (v *voters) kill(i int) {
	v.nodes[i].core = nil
	v.nodes[i].life++
}

// opened is what recovery finds.
func (n *voterNode) opened() *Opened {
	o := &Opened{Exists: n.exists, Topic: stream.MetadataName}
	for _, b := range n.log {
		if k := len(o.Epochs); k == 0 || o.Epochs[k-1].Epoch < b.LeaderEpoch {
			o.Epochs = append(o.Epochs, stream.EpochStart{Epoch: b.LeaderEpoch, Start: b.BaseOffset})
		}
		if len(o.Segments) == 0 {
			o.Segments = []stream.Segment{{}}
		}
		o.LogEnd = b.NextOffset()
		o.Segments[0].Size += stream.Pos(b.Size)
	}
	o.Durable = o.LogEnd
	return o
}

func (n *voterNode) bytes() (out []byte) {
	for _, b := range n.log {
		out = append(out, b.Data...)
	}
	return out
}

func (v *voters) step(i int, ev Event) {
	n := v.nodes[i]
	n.fx.Reset()
	n.core.Step(Now{Mono: v.now, Wall: UnixMillis(v.now / 1_000_000)}, &ev, &n.fx)
	fx := n.fx
	n.fx = Effects{}
	for k := range fx.Notes {
		if fx.Notes[k].Kind == NoteStopped {
			n.stopped = fx.Notes[k].Fields[0].Value
		}
	}
	if n.mayLose {
		fx.Halts = slices.DeleteFunc(fx.Halts, func(h Halt) bool { return h.Scope == HaltDir })
	}
	if len(fx.Halts) > 0 && n.refuse {
		n.halted = fx.Halts[0].Reason
		return
	}
	if len(fx.Halts) > 0 {
		v.t.Fatalf("node %d: %s", i, fx.Halts[0].Reason)
	}
	for k := range fx.Disk {
		v.disk(i, fx.Disk[k])
	}
	for _, s := range fx.Stores {
		v.after(v.delay(), i, func() {
			switch s.Slot {
			case QuorumStateSlot:
				n.state = s.Bytes
			case Slot{Name: CleanMark}:
				n.marks[CleanMark] = s.Bytes
			}
			v.step(i, Event{Kind: EvStored, Slot: s.Slot, Version: s.Version})
		})
	}
	for _, job := range fx.Jobs {
		v.job(i, job)
	}
	for k := range fx.Replies {
		if fx.Replies[k].Conn == LoopbackConn {
			ev := n.self.Answer(&fx.Replies[k])
			v.after(0, i, func() { v.step(i, ev) })
			continue
		}
		if back := n.replies[fx.Replies[k].Correlation]; back != nil {
			delete(n.replies, fx.Replies[k].Correlation)
			back(&fx.Replies[k])
		}
	}
	for _, call := range fx.Calls {
		v.send(i, call)
	}
}

func (v *voters) disk(i int, op DiskOp) {
	n := v.nodes[i]
	if op.Kind == DiskCreate || op.Stream != stream.Metadata || op.Kind == DiskCheckpoint {
		n.exists = n.exists || op.Stream == stream.Metadata
		v.partitionDisk(i, op)
		return
	}
	end := func() record.Offset {
		if len(n.log) == 0 {
			return 0
		}
		return n.log[len(n.log)-1].NextOffset()
	}
	switch op.Kind {
	case DiskAppend:
		b := op.Batch
		b.Data = slices.Clone(b.Data)
		b.Stamp()
		n.log = append(n.log, b)
		n.appends = append(n.appends, b.Count)
		v.after(0, i, func() {
			v.step(i, Event{Kind: EvWritten, Stream: op.Stream, Generation: op.Generation, UpTo: b.NextOffset()})
		})
		fallthrough
	case DiskSync:
		count, upTo := len(n.log), end()
		v.after(v.delay(), i, func() {
			if count <= len(n.log) && n.core.meta.quorum.Generation == op.Generation {
				n.synced = max(n.synced, count)
			}
			v.step(i, Event{Kind: EvDurable, Stream: op.Stream, Generation: op.Generation, UpTo: upTo})
		})
	case DiskTruncate:
		n.cuts++
		for end() > op.To {
			n.log = n.log[:len(n.log)-1]
		}
		n.synced = len(n.log)
		v.after(v.delay(), i, func() {
			v.step(i, Event{Kind: EvTruncated, Stream: op.Stream, Generation: op.Generation, Opened: n.opened()})
		})
	}
}

// partitionDisk completes what is done to other streams: they hold nothing.
func (v *voters) partitionDisk(i int, op DiskOp) {
	done := func(kind EventKind) {
		v.after(v.delay(), i, func() {
			v.step(i, Event{Kind: kind, Stream: op.Stream, Generation: op.Generation, UpTo: v.nodes[i].opened().LogEnd})
		})
	}
	switch {
	case op.Kind == DiskCheckpoint && op.Stream == stream.Metadata:
		done(EvCheckpointed)
	case op.Kind == DiskTruncate && op.All:
		v.after(v.delay(), i, func() {
			o := &Opened{Exists: true, LogStart: op.Base, LogEnd: op.Base, Durable: op.Base, Segments: []stream.Segment{{Base: op.Base}}}
			v.step(i, Event{Kind: EvTruncated, Stream: op.Stream, Generation: op.Generation, Opened: o})
		})
	case op.Kind == DiskCheckpoint:
		v.after(v.delay(), i, func() { v.step(i, Event{Kind: EvCheckpointed, Stream: op.Stream, Generation: op.Generation}) })
	}
}

func (v *voters) job(i int, job Job) {
	n := v.nodes[i]
	var data []byte
	var pos stream.Pos
	from := job.From
	if job.Kind == JobLocate {
		from = job.Locate[0].From
	}
	for _, b := range n.log {
		if b.BaseOffset >= from {
			data = append(data, b.Data...)
		} else {
			pos += stream.Pos(b.Size)
		}
	}
	ev := Event{Kind: EvLoaded, Job: job.ID, Loaded: &Loaded{Bytes: data}}
	if job.Kind == JobLocate {
		ev = Event{Kind: EvLocated, Job: job.ID, Located: &Located{Partitions: []LocatedPartition{{Extents: []stream.Extent{{Stream: stream.Metadata, Pos: pos, Len: int32(len(data))}}}}}}
	}
	v.after(v.delay(), i, func() { v.step(i, ev) })
}

// send carries a call over and its answer back; a lost one is told after its time.
func (v *voters) send(from int, call Call) {
	if v.calls != nil {
		v.calls(from, call.Body)
	}
	open := true
	answer := func(body kmsg.Response) {
		if open {
			open = false
			v.step(from, Event{Kind: EvAnswered, Call: call.ID, Answer: body})
		}
	}
	v.after(int64(call.TimeoutMs), from, func() { answer(nil) })
	to := int(call.Node)
	life := v.nodes[from].life
	if to == from { // through its own door, as the runtime does
		v.after(v.delay(), from, func() {
			ev := v.nodes[from].self.Request(&call)
			v.step(from, ev)
		})
		return
	}
	if v.apart[NodePair{from, to}] || v.nodes[to].core == nil {
		return
	}
	v.after(v.delay(), to, func() {
		v.ask(to, call.Body, func(r *Reply) {
			body := v.answerOf(to, r)
			if !v.apart[NodePair{to, from}] && v.nodes[from].life == life {
				v.after(v.delay(), from, func() { answer(body) })
			}
		})
	})
}

// ask brings a request to a node.
func (v *voters) ask(i int, body kmsg.Request, back func(*Reply)) {
	n := v.nodes[i]
	n.corr++
	n.replies[n.corr] = back
	r := &Request{Conn: 1, Correlation: n.corr, Key: api.Key(body.Key()), Version: body.GetVersion(), Body: body}
	if f, ok := body.(*kmsg.FetchRequest); ok {
		p := &f.Topics[0].Partitions[0]
		r.Fetch = &api.FetchRequest{ReplicaID: record.NodeID(f.ReplicaState.ID), MaxWaitMs: f.MaxWaitMillis, MaxBytes: f.MaxBytes, ByID: true, SessionEpoch: f.SessionEpoch,
			Partitions: []api.FetchPartition{{TopicID: f.Topics[0].TopicID, CurrentEpoch: record.Epoch(p.CurrentLeaderEpoch), Offset: record.Offset(p.FetchOffset),
				LastFetchedEpoch: record.Epoch(p.LastFetchedEpoch), MaxBytes: p.PartitionMaxBytes}}}
	}
	v.step(i, Event{Kind: EvRequest, Request: r})
}

// answerOf is a reply as the wire would bring it.
func (v *voters) answerOf(i int, r *Reply) kmsg.Response {
	if r.Fetch == nil {
		return r.Body
	}
	resp, topic, p := kmsg.NewPtrFetchResponse(), kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
	f := &r.Fetch.Partitions[0]
	topic.TopicID = f.TopicID
	p.ErrorCode, p.HighWatermark = int16(f.Err), int64(f.HighWatermark)
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = int32(f.CurrentLeader), int32(f.CurrentEpoch)
	if f.Diverges {
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = int32(f.DivergingEpoch), int64(f.DivergingEnd)
	}
	all := v.nodes[i].bytes()
	for _, x := range f.Extents {
		p.RecordBatches = append(p.RecordBatches, all[x.Pos:int(x.Pos)+int(x.Len)]...)
	}
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// leader waits until somebody leads and a batch of its epoch is committed.
func (v *voters) leader(not int) int {
	for range 200 {
		v.run(100)
		for i, n := range v.nodes {
			if i != not && n.core != nil && n.core.meta.quorum.Ready() && n.core.meta.stage == stageReady {
				return i
			}
		}
	}
	for i, n := range v.nodes {
		if n.core != nil {
			q := n.core.meta.quorum
			v.t.Logf("node %d: %v of epoch %d, leader %d, log end %d, committed %d, stage %d, tail %d applied %d lead %v", i, q.Role(), q.Epoch(), q.LeaderID(), q.Ends.Log, q.HighWatermark(), n.core.meta.stage,
				len(n.core.meta.tail), n.core.meta.applied, n.core.meta.lead)
		}
	}
	v.t.Fatal("nobody leads the metadata log")
	return -1
}

func (v *voters) create(i int, topic string) (code *int16) { return v.createOf(i, topic, 2, 1) }

func (v *voters) createOf(i int, topic string, partitions int32, factor int16) (code *int16) {
	req, t := kmsg.NewPtrCreateTopicsRequest(), kmsg.NewCreateTopicsRequestTopic()
	req.Version, req.TimeoutMillis = 7, 60_000
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, factor
	req.Topics = append(req.Topics, t)
	code = new(int16)
	*code = -2
	v.ask(i, req, func(r *Reply) { *code = r.Body.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode })
	return code
}

// agree waits until all that run show the same image.
func (v *voters) agree() {
	v.run(3000)
	var first *image.Image
	for i, n := range v.nodes {
		if n.core == nil {
			continue
		}
		img := n.core.meta.committed
		if first == nil {
			first = img
		}
		if a, b := imageText(first), imageText(img); a != b {
			v.t.Fatalf("node %d shows\n%s\nanother one\n%s", i, b, a)
		}
	}
}

func imageText(img *image.Image) string {
	text := fmt.Sprintln("offset", img.Offset())
	for t := range img.Topics() {
		text += fmt.Sprintln(t.Name, t.ID, len(t.Partitions))
	}
	for b := range img.Brokers() {
		text += fmt.Sprintln(b.ID, b.Epoch, b.Incarnation, b.Fenced)
	}
	return text
}
