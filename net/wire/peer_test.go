package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
)

var peerLimits = PeerLimits{QueueMax: 5, AnswerMax: 1 << 20, SetupMs: 1000, BackoffMs: 50, BackoffMaxMs: 400, IdleMs: 3000}

// peerWorld is a Peer with the other node and the network between them, one step at a time. It fails the test at once if the machine breaks its contract.
type peerWorld struct {
	t       rapid.TB
	peer    *Peer
	pool    *testPool // of answers
	now     core.Instant
	dialing bool
	linked  bool
	reader  *FrameReader   // of the other node
	asked   []kmsg.Request // that it has not answered
	numbers []int32
	stream  []byte // from the other node, under way
	last    core.CallID
	open    map[core.CallID]core.Instant // calls without an answer: when their time is up
	order   []core.CallID                // open, as called
	served  int                          // calls answered with an answer
	spoiled bool                         // what comes on this connection is not what the other node means
	wrong   bool                         // the answer under way is to another request
	dialed  string                       // where the connection goes
	addrs   map[core.CallID]string       // of calls: where they are to go; "" of those that must not, or have already
}

func newPeerWorld(t rapid.TB) *peerWorld {
	pool := newTestPool()
	return &peerWorld{t: t, pool: pool, peer: NewPeer("node-1", peerLimits, pool), open: map[core.CallID]core.Instant{}, addrs: map[core.CallID]string{}}
}

// do lets the machine do something and carries out what it wants.
func (w *peerWorld) do(step func(fx *PeerEffects)) {
	var fx PeerEffects
	step(&fx)
	for _, a := range fx.Answers {
		w.answered(a)
	}
	if fx.Hangup {
		w.drop()
	}
	if fx.Dial != "" {
		if w.dialing || w.linked {
			w.t.Fatal("a second connection")
		}
		w.dialing, w.dialed = true, fx.Dial
	}
	if len(fx.Write) > 0 {
		w.hear(fx.Write)
	}
	for id, due := range w.open { // any order: it looks for one only
		if due <= w.now {
			w.t.Fatalf("call %d is open at %d, its time was up at %d", id, w.now, due)
		}
	}
	held := 0
	if w.peer.Partial() {
		held = 1
	}
	if len(w.pool.live) != held {
		w.t.Fatalf("%d buffers are held, by answers under way %d", len(w.pool.live), held)
	}
	if len(w.open) != w.peer.Waiting() {
		w.t.Fatalf("%d calls are open, the machine has %d", len(w.open), w.peer.Waiting())
	}
}

func (w *peerWorld) drop() {
	w.dialing, w.linked, w.reader, w.asked, w.numbers, w.stream, w.spoiled, w.wrong = false, false, nil, nil, nil, nil, false, false
}

// hear takes a request on the other node's side: there may be no other one.
func (w *peerWorld) hear(b []byte) {
	if !w.linked {
		w.t.Fatal("bytes for a connection that there is not")
	}
	frames, err := feed(w.reader, b, len(b))
	if err != nil || len(frames) != 1 || len(w.asked) != 0 {
		w.t.Fatalf("%d requests at once, beside %d: %v", len(frames), len(w.asked), err)
	}
	f := frames[0]
	req := kmsg.RequestForKey(int16(f.Key))
	req.SetVersion(f.Version)
	cur := cursor{b: f.Data}
	readHeader(&cur, req.IsFlexible())
	if err := req.ReadFrom(cur.b); err != nil {
		w.t.Fatal(err)
	}
	id := core.CallID(0)
	switch r := req.(type) {
	case *kmsg.ApiVersionsRequest:
	case *kmsg.VoteRequest:
		id = core.CallID(r.Topics[0].Partitions[0].CandidateEpoch)
		if !w.spoiled && f.Version != 1 {
			w.t.Fatalf("version %d of Vote", f.Version)
		}
	case *kmsg.FetchRequest:
		id = core.CallID(r.SessionID)
		if !w.spoiled && f.Version != 17 {
			w.t.Fatalf("version %d of Fetch", f.Version)
		}
	default:
		if w.spoiled {
			break
		}
		w.t.Fatalf("a %v that is not taken", f.Key)
	}
	if id != 0 && w.addrs[id] != w.dialed && !w.spoiled {
		w.t.Fatalf("call %d is for %q and goes out to %s", id, w.addrs[id], w.dialed)
	}
	w.addrs[id] = "" // gone out: it must not a second time
	w.asked, w.numbers = append(w.asked, req), append(w.numbers, f.Correlation)
}

// reply puts the answer to what was asked on the way.
func (w *peerWorld) reply(number int32) {
	if len(w.asked) == 0 {
		return
	}
	resp := w.asked[0].ResponseKind()
	resp.SetVersion(w.asked[0].GetVersion())
	switch req := w.asked[0].(type) {
	case *kmsg.ApiVersionsRequest:
		for _, r := range []api.Range{{Key: api.Vote, Max: 1}, {Key: api.Fetch, Max: 17}} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = int16(r.Key), r.Max
			resp.(*kmsg.ApiVersionsResponse).ApiKeys = append(resp.(*kmsg.ApiVersionsResponse).ApiKeys, k)
		}
	case *kmsg.VoteRequest:
		p, topic := kmsg.NewVoteResponseTopicPartition(), kmsg.NewVoteResponseTopic()
		p.LeaderEpoch = req.Topics[0].Partitions[0].CandidateEpoch
		topic.Partitions = append(topic.Partitions, p)
		resp.(*kmsg.VoteResponse).Topics = append(resp.(*kmsg.VoteResponse).Topics, topic)
	case *kmsg.FetchRequest:
		resp.(*kmsg.FetchResponse).SessionID = req.SessionID
	}
	at := len(w.stream)
	w.stream = appendResponseHeader(w.stream, number, responseTags(api.Key(w.asked[0].Key()), w.asked[0].IsFlexible()))
	w.stream = sealSize(resp.AppendTo(w.stream), at, 0)
	w.asked, w.numbers = nil, nil
}

func (w *peerWorld) answered(a PeerAnswer) {
	if _, ok := w.open[a.Call]; !ok {
		w.t.Fatalf("call %d is answered, and was already", a.Call)
	}
	delete(w.open, a.Call)
	if (a.Frame != record.NoFrame) != (a.Answer != nil) {
		w.t.Fatalf("call %d has the answer %v and the buffer %d", a.Call, a.Answer, a.Frame)
	}
	if a.Frame != record.NoFrame {
		defer w.pool.Release(a.Frame)
	}
	if a.Answer != nil && w.wrong {
		w.t.Fatalf("call %d has the answer to another request", a.Call)
	}
	if a.Answer == nil || w.spoiled {
		return // of one that rotted on the way only that it ends once is known
	}
	said := core.CallID(0)
	switch r := a.Answer.(type) {
	case *kmsg.VoteResponse:
		said = core.CallID(r.Topics[0].Partitions[0].LeaderEpoch)
	case *kmsg.FetchResponse:
		said = core.CallID(r.SessionID)
	}
	if said != a.Call {
		w.t.Fatalf("call %d has the answer of call %d", a.Call, said)
	}
	for len(w.order) > 0 && w.order[0] != a.Call {
		if _, ok := w.open[w.order[0]]; ok {
			w.t.Fatalf("call %d is answered before call %d", a.Call, w.order[0])
		}
		w.order = w.order[1:]
	}
	w.served++
}

// call makes a call that says who it is in a field that the answer repeats: a Vote, a Fetch, a pre-vote or a heartbeat. The other node takes neither of the last two.
func (w *peerWorld) call(kind int, addr string, timeoutMs int32) {
	w.last++
	vote, partition := kmsg.NewPtrVoteRequest(), kmsg.NewVoteRequestTopicPartition()
	vote.Version = 2
	partition.CandidateEpoch, partition.PreVote = int32(w.last), kind == 2
	vote.Topics = []kmsg.VoteRequestTopic{{Partitions: []kmsg.VoteRequestTopicPartition{partition}}}
	var body kmsg.Request = vote
	switch kind {
	case 1:
		fetch := kmsg.NewPtrFetchRequest()
		fetch.Version, fetch.SessionID = 18, int32(w.last)
		body = fetch
	case 3:
		body = kmsg.NewPtrBrokerHeartbeatRequest()
	}
	w.open[w.last] = w.now + core.Instant(timeoutMs)*1_000_000
	w.order = append(w.order, w.last)
	if w.addrs[w.last] = addr; kind > 1 {
		w.addrs[w.last] = "" // never goes out
	}
	w.do(func(fx *PeerEffects) {
		w.peer.Call(w.now, &core.Call{ID: w.last, Addr: addr, TimeoutMs: timeoutMs, Body: body}, fx)
	})
}

func (w *peerWorld) connected() {
	w.dialing, w.linked = false, true
	w.reader = NewFrameReader(newTestPool(), DefaultFrameMax)
	w.do(func(fx *PeerEffects) { w.peer.Connected(w.now, fx) })
}

func (w *peerWorld) lost() {
	w.drop()
	w.do(func(fx *PeerEffects) { w.peer.Lost(w.now, "cut", fx) })
}

func (w *peerWorld) deliver(n int) {
	b := bytes.Clone(w.stream[:n])
	w.stream = w.stream[n:]
	w.do(func(fx *PeerEffects) { w.peer.Received(w.now, b, fx) })
	clear(b) // what was received is not kept
}

// pass moves the time, stopping wherever the machine wants.
func (w *peerWorld) pass(ms int64) {
	end := after(w.now, ms)
	for n := 0; ; n++ {
		at, ok := w.peer.Due()
		if !ok || at > end {
			break
		}
		if n > 1000 {
			w.t.Fatal("time does not pass: something is always due")
		}
		w.now = max(w.now, at)
		w.do(func(fx *PeerEffects) { w.peer.Timeout(w.now, fx) })
	}
	w.now = end
}

// TestPeerProperty: whatever the network and the other node do, each call ends once and by its time, in order, with its own answer or none; there is one
// connection and one request on it; and a network that works again serves.
func TestPeerProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newPeerWorld(t)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 19).Draw(t, "op"); {
			case op <= 3:
				w.call(rapid.IntRange(0, 3).Draw(t, "kind"), rapid.SampledFrom([]string{"a:1", "a:1", "a:1", "b:1"}).Draw(t, "addr"), rapid.Int32Range(1, 2000).Draw(t, "timeout"))
			case op <= 13 && w.dialing:
				w.connected()
			case op <= 9 && len(w.numbers) > 0:
				w.reply(w.numbers[0])
			case op <= 13 && len(w.stream) > 0:
				w.deliver(rapid.SampledFrom([]int{1, 3, 7, 40, len(w.stream)}).Filter(func(n int) bool { return n <= len(w.stream) }).Draw(t, "bytes"))
			case op == 14 && (w.dialing || w.linked):
				w.lost()
			case op == 15 && len(w.numbers) > 0 && rapid.IntRange(0, 3).Draw(t, "wrong") == 0:
				w.wrong = true
				w.reply(w.numbers[0] + 1)
			case op == 16 && len(w.stream) > 0 && rapid.IntRange(0, 3).Draw(t, "rot") == 0:
				w.spoiled = true
				w.stream[rapid.IntRange(0, len(w.stream)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			case op == 18 && w.dialing: // the process was held up: what came meanwhile comes before what was due
				w.now = after(w.now, rapid.Int64Range(0, 1500).Draw(t, "late"))
				w.connected()
			case op == 17:
				w.pass(rapid.Int64Range(0, 600).Draw(t, "ms"))
			default:
				w.pass(1)
			}
		}
		w.pass(5000)
		if len(w.open) != 0 {
			t.Fatalf("%d calls never end", len(w.open))
		}
		w.serves(t)
	})
}

// serves: a call is answered by a network that works. A connection that was left half done is given up first, so it may take a second one.
func (w *peerWorld) serves(t *rapid.T) {
	before := w.served
	for range 2 {
		w.call(0, "a:1", 1900)
		for range 8 {
			w.pass(450)
			switch {
			case w.dialing:
				w.connected()
			case len(w.numbers) > 0:
				w.reply(w.numbers[0])
			}
			if len(w.stream) > 0 {
				w.deliver(len(w.stream))
			}
		}
	}
	if w.served == before {
		t.Fatal("the network works and no call is answered")
	}
}

// byHand drives a Peer by hand and returns what it wanted.
type byHand struct {
	peer *Peer
	now  core.Instant
}

func (s *byHand) do(step func(now core.Instant, fx *PeerEffects)) PeerEffects {
	var fx PeerEffects
	step(s.now, &fx)
	return fx
}

func (s *byHand) call(id core.CallID, timeoutMs int32) PeerEffects {
	return s.do(func(now core.Instant, fx *PeerEffects) {
		s.peer.Call(now, &core.Call{ID: id, Addr: "a:1", TimeoutMs: timeoutMs, Body: kmsg.NewPtrBrokerHeartbeatRequest()}, fx)
	})
}

func (s *byHand) at(ms int64) PeerEffects {
	s.now = after(0, ms)
	return s.do(s.peer.Timeout)
}

func (s *byHand) refused() PeerEffects {
	return s.do(func(now core.Instant, fx *PeerEffects) { s.peer.Lost(now, "refused", fx) })
}

// TestPeerBackoff: a node that cannot be reached is tried after 50 ms, 100, 200, 400, 400; what waits when an attempt fails ends without an answer.
func TestPeerBackoff(t *testing.T) {
	s := &byHand{peer: NewPeer("n", peerLimits, nil)}
	var waits []int64
	for id := core.CallID(1); id <= 6; id++ {
		from := s.now
		fx := s.call(id, 2000)
		for fx.Dial == "" {
			at, _ := s.peer.Due()
			fx = s.at(int64(at / 1_000_000))
		}
		waits = append(waits, int64((s.now-from)/1_000_000))
		if fx = s.refused(); len(fx.Answers) != 1 || fx.Answers[0].Call != id || fx.Answers[0].Answer != nil || fx.Down != "refused" {
			t.Fatalf("a refused connection: %+v", fx)
		}
	}
	if got := fmt.Sprint(waits); got != "[0 50 100 200 400 400]" {
		t.Errorf("waits before the attempts: %s", got)
	}
}

// TestPeerConnectedTooLate: a connection that comes up when its time is over, before the timer has told so, is closed, and nothing is written to it. The lane of a
// process that was held up wrote to no connection.
func TestPeerConnectedTooLate(t *testing.T) {
	s := &byHand{peer: NewPeer("n", peerLimits, nil)}
	if fx := s.call(1, 5000); fx.Dial == "" {
		t.Fatalf("%+v", fx)
	}
	s.now = after(0, peerLimits.SetupMs)
	fx := s.do(s.peer.Connected)
	if !fx.Hangup || fx.Down == "" || len(fx.Write) > 0 || fx.Up || len(fx.Answers) != 1 {
		t.Errorf("a connection of %d ms: %+v", peerLimits.SetupMs, fx)
	}
}

// TestPeerLimits: a queue has an end, a connection that does not come up is given up, one without calls is closed.
func TestPeerLimits(t *testing.T) {
	s := &byHand{peer: NewPeer("n", peerLimits, nil)}
	for id := core.CallID(1); id <= 5; id++ {
		if fx := s.call(id, 9000); len(fx.Answers) != 0 || (fx.Dial != "") != (id == 1) {
			t.Fatalf("call %d: %+v", id, fx)
		}
	}
	if fx := s.call(6, 9000); len(fx.Answers) != 1 || fx.Answers[0].Call != 6 {
		t.Errorf("a call beyond the queue: %+v", fx)
	}
	if fx := s.at(999); fx.Hangup {
		t.Error("given up too early")
	}
	if fx := s.at(1000); !fx.Hangup || len(fx.Answers) != 5 {
		t.Errorf("a connection that does not come up: %+v", fx)
	}
	w := newPeerWorld(t)
	w.call(0, "a:1", 2000)
	w.connected()
	for len(w.open) > 0 {
		w.reply(w.numbers[0])
		w.deliver(len(w.stream))
	}
	if w.pass(2999); !w.linked {
		t.Error("closed too early")
	}
	if w.pass(1); w.linked {
		t.Error("a connection without calls stays")
	}
}

// TestPeerNonsense: an answer too large, or to nothing, costs the connection and nothing else; the memory of one that is announced is not taken before it comes.
func TestPeerNonsense(t *testing.T) {
	for name, b := range map[string][]byte{ // any order: each on its own
		"HTTP":      []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"too large": {0x7f, 0xff, 0xff, 0xff},
		"too small": {0, 0, 0, 3},
		"negative":  {0xff, 0xff, 0xff, 0xff},
		"zeros":     make([]byte, 64),
	} {
		s := &byHand{peer: NewPeer("n", peerLimits, nil)}
		s.call(1, 2000)
		s.do(s.peer.Connected)
		fx := s.do(func(now core.Instant, fx *PeerEffects) { s.peer.Received(now, b, fx) })
		if !fx.Hangup || fx.Down == "" || len(fx.Answers) != 1 || fx.Answers[0].Answer != nil {
			t.Errorf("%s: %+v", name, fx)
		}
	}
	r := NewAnswerReader(100<<20, nil)
	copy(r.Buffer(), []byte{0x06, 0, 0, 0})
	r.Filled(4)
	if _, ok, err := r.Next(); ok || err != nil || len(r.Buffer()) > frameFirst {
		t.Errorf("an announced answer of 96 MiB got %d bytes: %v", len(r.Buffer()), err)
	}
}
