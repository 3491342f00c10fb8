package quorum

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
)

// cluster is a quorum on a network that delays and loses, with disks that forget what was not synced. It is the machine's own test: the simulator runs it with the
// rest of the node.
type cluster struct {
	t       testing.TB
	rng     prng.Source
	now     int64
	nodes   []*member
	voters  []record.NodeID
	events  []due
	seq     int
	cut     map[[2]int]bool // directed
	lossy   bool
	leaders map[record.Epoch]record.NodeID
	pending map[uint64]func(kmsg.Response) // the ways back of requests that may wait for the disk
	agreed  []record.Batch                 // committed by any node, by place in the log
	moved   int                            // batches that leaders have added
}

// due is something that happens at a time.
type due struct {
	at   int64
	seq  int
	do   func()
	life int
	who  int
}

// member is one machine: what is on its disk, and the process.
type member struct {
	id      record.NodeID
	q       *Quorum
	life    int
	log     []record.Batch
	synced  int // batches of log that survive
	state   []byte
	waiting []func()
	shown   record.Offset // highest high watermark it has shown in this life
}

const ms = 1_000_000

func newCluster(t testing.TB, seed uint64, voters, observers int) *cluster {
	c := &cluster{t: t, rng: prng.FromNumber(seed, 9), cut: map[[2]int]bool{}, leaders: map[record.Epoch]record.NodeID{}, pending: map[uint64]func(kmsg.Response){}}
	for i := range voters {
		c.voters = append(c.voters, record.NodeID(i))
	}
	for i := range voters + observers {
		c.nodes = append(c.nodes, &member{id: record.NodeID(i)})
	}
	for i := range c.nodes {
		c.start(i)
	}
	return c
}

func (c *cluster) after(ns int64, who int, do func()) {
	c.seq++
	life := -1
	if who >= 0 {
		life = c.nodes[who].life
	}
	c.events = append(c.events, due{c.now + ns, c.seq, do, life, who})
}

func (c *cluster) delay() int64 { return int64(1+c.rng.N(30)) * ms }

// disk is how long a write takes: mostly not long, at times so long that a crash finds it under way.
func (c *cluster) disk() int64 {
	if c.rng.Chance(200_000) {
		return int64(1+c.rng.N(600)) * ms
	}
	return c.delay()
}

// run lets things happen until a time.
func (c *cluster) run(until int64) {
	for {
		at, next := -1, int64(math.MaxInt64)
		for i, e := range c.events {
			if at < 0 || e.at < next || e.at == next && e.seq < c.events[at].seq {
				at, next = i, e.at
			}
		}
		timer := -1
		for i, m := range c.nodes {
			if m.q == nil {
				continue
			}
			if d := max(m.q.Deadline(), c.now); d < next {
				at, timer, next = -1, i, d
			}
		}
		if next > until {
			c.now = until
			return
		}
		c.now = max(c.now, next)
		if timer >= 0 {
			c.step(timer, func(q *Quorum, f *Facts) { q.Timeout(c.now, f) })
			c.now++ // nothing is due twice in one instant
			continue
		}
		e := c.events[at]
		c.events = slices.Delete(c.events, at, at+1)
		if e.who < 0 || e.life == c.nodes[e.who].life {
			e.do()
		}
	}
}

func (c *cluster) start(i int) {
	m := c.nodes[i]
	m.life++
	m.log = m.log[:m.synced]
	m.waiting, m.shown = nil, 0
	var f Facts
	q, err := Boot(Config{Self: m.id, Voters: c.voters, ElectionMs: 300, FetchMs: 600, BackoffMs: 200, RetryMs: 20, MaxBytes: 1 << 20, Limits: stream.RollLimits{Bytes: 1 << 30}},
		c.logOf(m), m.state, record.NoEpoch, c.rng.Split(), c.now, &f)
	if err != nil {
		c.t.Fatal(err)
	}
	m.q = q
	c.carryOut(i, &f)
	c.after(c.delay(), i, func() { c.step(i, func(q *Quorum, f *Facts) { q.Loaded(c.now, f) }) })
}

func (c *cluster) logOf(m *member) stream.Log {
	var end record.Offset
	var size stream.Pos
	var epochs []stream.EpochStart
	for _, b := range m.log {
		if n := len(epochs); n == 0 || epochs[n-1].Epoch < b.LeaderEpoch {
			epochs = append(epochs, stream.EpochStart{Epoch: b.LeaderEpoch, Start: b.BaseOffset})
		}
		end, size = b.NextOffset(), size+stream.Pos(b.Size)
	}
	return stream.NewLog(stream.Metadata, 0, 0, end, end, []stream.Segment{{Size: size, MaxTimestamp: record.NoTimestamp}}, epochs)
}

func (c *cluster) crash(i int) {
	m := c.nodes[i]
	m.life++
	m.q = nil
	if extra := len(m.log) - m.synced; extra > 0 { // some of what was not synced may have reached the disk
		m.synced += c.rng.IntN(extra + 1)
	}
	c.after(int64(50+c.rng.N(2000))*ms, -1, func() { c.start(i) })
}

func (c *cluster) step(i int, do func(*Quorum, *Facts)) {
	if c.nodes[i].q == nil {
		return
	}
	var f Facts
	do(c.nodes[i].q, &f)
	c.carryOut(i, &f)
}

func (c *cluster) carryOut(i int, f *Facts) {
	m := c.nodes[i]
	q := m.q
	if f.Store != nil {
		state, version := f.Store, f.Version
		c.after(c.disk(), i, func() {
			m.state = state
			c.step(i, func(q *Quorum, f *Facts) { q.Stored(c.now, version, f) })
		})
	}
	if f.Cut {
		n := 0
		for n < len(m.log) && m.log[n].NextOffset() <= f.To {
			n++
		}
		m.log, m.synced = m.log[:n], min(m.synced, n)
		q.NewGeneration()
		c.after(c.delay(), i, func() {
			m.synced = len(m.log)
			c.step(i, func(q *Quorum, f *Facts) { q.Reopened(c.now, c.logOf(m), record.NoEpoch, f) })
		})
	}
	if f.Records != nil {
		for it := record.Batches(f.Records); it.Next(); {
			b := it.Batch
			if _, err := q.Accept(&b); err != nil {
				break
			}
			c.append(i, b)
		}
	}
	if f.Began {
		c.leads(i)
		c.add(i)
	}
	q.Learn(f)
	c.look(i)
	for _, call := range f.Calls {
		c.send(i, call)
	}
	for _, r := range f.Replies {
		if back := c.pending[r.Token]; back != nil {
			delete(c.pending, r.Token)
			back(r.Body)
		}
	}
	if f.Moved {
		woken := m.waiting
		m.waiting = nil
		for _, w := range woken {
			w()
		}
	}
}

func (c *cluster) leads(i int) {
	m := c.nodes[i]
	if other, ok := c.leaders[m.q.Epoch()]; ok && (other != m.id) {
		c.t.Fatalf("Q1: nodes %d and %d both lead epoch %d", other, m.id, m.q.Epoch())
	}
	c.leaders[m.q.Epoch()] = m.id
}

// add has a leader append a batch.
func (c *cluster) add(i int) {
	m := c.nodes[i]
	if m.q == nil || !m.q.Active() {
		return
	}
	var builder record.Builder
	builder.Reset(record.PlainSpec(0))
	builder.Append(1, nil, fmt.Appendf(nil, "%d of %d", c.moved, m.id), nil)
	b, err := builder.Build(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.moved++
	b.Data = slices.Clone(b.Data)
	m.q.Append(&b)
	b.Stamp()
	c.append(i, b)
	m.wake(c)
}

func (m *member) wake(c *cluster) {
	woken := m.waiting
	m.waiting = nil
	for _, w := range woken {
		w()
	}
}

func (c *cluster) append(i int, b record.Batch) {
	m := c.nodes[i]
	m.log = append(m.log, b)
	n, upTo, g := len(m.log), b.NextOffset(), m.q.Generation
	m.q.OnWritten(g, upTo)
	c.after(c.disk(), i, func() {
		if m.q.Generation == g {
			m.synced = max(m.synced, n)
		}
		c.step(i, func(q *Quorum, f *Facts) { q.OnDurable(c.now, g, upTo, f) })
	})
}

// look compares what a node shows as committed with what any node ever did.
func (c *cluster) look(i int) {
	m := c.nodes[i]
	hw := m.q.HighWatermark()
	if hw < m.shown {
		c.t.Fatalf("the high watermark of node %d fell from %d to %d", i, m.shown, hw)
	}
	m.shown = hw
	for k, b := range m.log {
		if b.NextOffset() > hw {
			break
		}
		if k == len(c.agreed) {
			c.agreed = append(c.agreed, b)
			have := 0
			for _, n := range c.nodes[:len(c.voters)] {
				if n.synced > k && n.log[k].CRC == b.CRC && n.log[k].LeaderEpoch == b.LeaderEpoch {
					have++
				}
			}
			if have < len(c.voters)/2+1 {
				c.t.Fatalf("Q3: node %d shows offset %d as committed, and %d voters have it on disk", i, b.BaseOffset, have)
			}
		}
		if a := c.agreed[k]; a.BaseOffset != b.BaseOffset || a.LeaderEpoch != b.LeaderEpoch || a.CRC != b.CRC {
			c.t.Fatalf("Q4: node %d has committed %+v at %d, another one %+v", i, b, k, a)
		}
	}
}

func (c *cluster) reaches(from, to int) bool {
	return !c.cut[[2]int{from, to}] && !(c.lossy && c.rng.Chance(100_000))
}

// send carries a request over and its answer back; what is lost is told as no answer after a while.
func (c *cluster) send(from int, call Call) {
	answered := false
	answer := func(resp kmsg.Response) {
		if !answered {
			answered = true
			c.step(from, func(q *Quorum, f *Facts) { q.Answered(c.now, call, resp, f) })
		}
	}
	c.after(900*ms, from, func() { answer(nil) })
	to, life := int(call.To), c.nodes[from].life
	if !c.reaches(from, to) {
		return
	}
	back := func(resp kmsg.Response) {
		if c.reaches(to, from) {
			c.after(c.delay(), -1, func() {
				if c.nodes[from].life == life {
					answer(resp)
				}
			})
		}
	}
	c.after(c.delay(), -1, func() { c.serve(to, call.Body, back) })
}

func (c *cluster) serve(i int, body kmsg.Request, back func(kmsg.Response)) {
	m := c.nodes[i]
	if m.q == nil {
		return
	}
	c.seq++
	token := uint64(c.seq)
	c.pending[token] = back
	switch req := body.(type) {
	case *kmsg.VoteRequest:
		c.step(i, func(q *Quorum, f *Facts) { q.Vote(c.now, token, req, f) })
	case *kmsg.BeginQuorumEpochRequest:
		c.step(i, func(q *Quorum, f *Facts) { q.BeginEpoch(c.now, token, req, f) })
	case *kmsg.EndQuorumEpochRequest:
		c.step(i, func(q *Quorum, f *Facts) { q.EndEpoch(c.now, token, req, f) })
	case *kmsg.FetchRequest:
		delete(c.pending, token)
		c.fetch(i, req, back, true)
	}
}

func (c *cluster) fetch(i int, req *kmsg.FetchRequest, back func(kmsg.Response), mayWait bool) {
	m, p := c.nodes[i], &req.Topics[0].Partitions[0]
	if m.q == nil {
		return
	}
	asked := Asked{Replica: record.NodeID(req.ReplicaState.ID), Epoch: record.Epoch(p.CurrentLeaderEpoch), Offset: record.Offset(p.FetchOffset), LastEpoch: record.Epoch(p.LastFetchedEpoch)}
	var f Facts
	v := m.q.Fetch(c.now, asked, nil, nil, &f)
	defer c.carryOut(i, &f)
	if v.Err == errcode.None && !v.Now && mayWait {
		done := false
		again := func() {
			if !done {
				done = true
				c.fetch(i, req, back, false)
			}
		}
		m.waiting = append(m.waiting, again)
		c.after(200*ms, i, again)
		return
	}
	resp, out, topic := kmsg.NewPtrFetchResponse(), kmsg.NewFetchResponseTopicPartition(), kmsg.NewFetchResponseTopic()
	out.ErrorCode = int16(v.Err)
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(m.q.LeaderID()), int32(m.q.Epoch())
	if v.Diverges {
		out.DivergingEpoch.Epoch, out.DivergingEpoch.EndOffset = int32(v.Epoch), int64(v.End)
	} else if v.Err == errcode.None {
		out.HighWatermark = int64(m.q.HighWatermark())
		m.q.Told(asked.Replica)
		var sent bytes.Buffer
		for _, b := range m.log {
			if b.BaseOffset >= asked.Offset {
				data := b.Data
				sent.Write(data)
			}
		}
		out.RecordBatches = sent.Bytes()
	}
	topic.Partitions = append(topic.Partitions, out)
	resp.Topics = append(resp.Topics, topic)
	back(resp)
}

// trouble is one seed: faults for a while, then a healed network on which everybody must come to agree.
func trouble(t testing.TB, seed uint64, voters, observers int) (leaders, agreed int) {
	c := newCluster(t, seed, voters, observers)
	c.lossy = c.rng.Chance(500_000)
	for range 150 {
		c.run(c.now + int64(20+c.rng.N(400))*ms)
		for i := range c.nodes {
			if c.rng.Chance(300_000) {
				c.add(i)
			}
		}
		switch i, j := c.rng.IntN(len(c.nodes)), c.rng.IntN(len(c.nodes)); c.rng.IntN(8) {
		case 0:
			if c.nodes[i].q != nil {
				c.crash(i)
			}
		case 1, 2:
			c.cut[[2]int{i, j}] = true
		case 3:
			clear(c.cut)
		case 4:
			if c.rng.Chance(200_000) && c.nodes[i].q != nil { // in order
				c.step(i, func(q *Quorum, f *Facts) { q.Stop(c.now, f) })
				c.run(c.now + 100*ms)
				if c.nodes[i].q != nil {
					c.crash(i)
				}
			}
		}
	}
	clear(c.cut)
	c.lossy = false
	c.run(c.now + 15_000*ms)
	for i := range c.nodes {
		c.add(i)
	}
	c.run(c.now + 5_000*ms)
	for i, m := range c.nodes {
		if end := c.agreed[len(c.agreed)-1].NextOffset(); m.q == nil || m.shown != end || m.log[len(m.log)-1].NextOffset() != end {
			for k, n := range c.nodes {
				t.Logf("node %d: %v epoch %d leader %d log end %d durable %d hw %d stopping %v cutting %v held %d stored %d/%d loaded %v pull %+v", k, n.q.Role(), n.q.Epoch(), n.q.LeaderID(), n.q.Ends.Log, n.q.Ends.Durable, n.q.HighWatermark(), n.q.stopping, n.q.cutting, len(n.q.held), n.q.stored, n.q.version, n.q.loaded, n.q.pull)
			}
			t.Fatalf("seed %d: L3: after all is healed node %d is %v of epoch %d, has %d batches, shows %d; the others %d", seed, i, m.q.Role(), m.q.Epoch(), len(m.log), m.shown, end)
		}
	}
	return len(c.leaders), len(c.agreed)
}

// TestTrouble: one leader an epoch, nothing committed that a majority does not have on disk or that another node sees otherwise, a watermark that never falls,
// and agreement when faults end (oracles Q1, Q3, Q4, Q5, L3).
func TestTrouble(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	leaders, agreed := 0, 0
	for seed := range seeds {
		l, a := trouble(t, seed, 1+int(seed)%5, int(seed/5)%3)
		leaders, agreed = leaders+l, agreed+a
	}
	if leaders < int(seeds)*3 || agreed < int(seeds)*5 {
		t.Errorf("only %d leaders and %d batches in %d seeds: faults or work are missing", leaders, agreed, seeds)
	}
	t.Logf("%d leaders, %d committed batches", leaders, agreed)
}
