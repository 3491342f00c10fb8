package sim

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/net/wire"
	"odradek/sim/simnet"
)

// stranger is a client that says whatever it is given to a node on which nothing fails.
type stranger struct {
	t     *testing.T
	w     *World
	line  *line
	heard []byte
}

// patience is how long the node gets, in virtual time, to answer all that it can.
const strangerPatience = 100 * Second

func newStranger(t *testing.T, shared *Codec) *stranger {
	o := Options{Seed: 1, Nodes: []NodeOptions{{Voter: true, Broker: true}}, Dirs: 1, Safety: 1 << 60, Downtime: Second, Network: simnet.Weather{Least: 1000, Usual: 1000},
		Disk: Delays{Least: 1000, Usual: 1000}, Core: Delays{Least: 0, Usual: 0}, SyncAll: 8,
		Node: []core.KeyValue{{Key: "max.incremental.fetch.session.cache.slots", Value: "2"},
			{Key: "log.index.size.max.bytes", Value: "1000"}, {Key: "log.index.interval.bytes", Value: "300"}}}
	w := &World{cfg: Config{Options: o}, trace: newTrace(nil), network: source(o.Seed, forNetwork), codec: shared}
	w.opt = &w.cfg.Options
	w.begin()
	s := &stranger{t: t, w: w}
	s.line = &line{w: w, c: &client{w: w, ended: true, rng: source(o.Seed, forClient)}, name: "stranger", talk: s, hears: func(p []byte) { s.heard = append(s.heard, p...) }}
	s.run(func() bool { return w.nodes[0].serving() })
	s.line.ch = w.dial(s.line, s.line.name, loneAddress)
	s.run(func() bool { return s.line.open })
	return s
}

// A stranger says nothing by itself.
func (s *stranger) poll(Time) kmsg.Request               { return nil }
func (s *stranger) answered(kmsg.Request, kmsg.Response) {}
func (s *stranger) lost()                                {}
func (s *stranger) deadline(Time) (at Time, ok bool)     { return 0, false }
func (s *stranger) unfinished() string                   { return "" }

// run lets the world go on until something holds, or for as long as the node is given.
func (s *stranger) run(until func() bool) {
	end := s.w.now + strangerPatience
	for !until() && s.w.failure == nil {
		e, ok := s.w.heap.pop()
		if !ok || e.at > end {
			if ok {
				s.w.heap.push(e)
			}
			return
		}
		if s.w.events++; s.w.events > 100_000 {
			s.t.Fatal("the node goes in circles")
		}
		s.w.now = e.at
		s.w.handle(&e)
	}
	if f := s.w.failure; f != nil {
		s.t.Fatalf("%v: %s: %s", f.outcome, f.oracle, f.found)
	}
}

// ask sends a request of ours and returns the answer.
func (s *stranger) ask(req kmsg.Request) kmsg.Response {
	s.heard = nil
	s.line.ch.send(simnet.Client, wire.AppendRequest(nil, 1, "stranger", req))
	var frame []byte
	s.run(func() (ok bool) {
		frame, _, ok, _ = wire.Split(s.heard, frameMax)
		return ok
	})
	_, resp, err := wire.DecodeResponse(req, frame)
	if err != nil {
		s.t.Fatal(err)
	}
	s.heard = nil
	return resp
}

// makeTopic makes the topic that inputs of the fuzzer know, with a batch in it, and returns its id.
func (s *stranger) makeTopic() (id [16]byte) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = 1000
	req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: 2, ReplicationFactor: 1}}
	resp := s.ask(req).(*kmsg.CreateTopicsResponse)
	produced := s.ask(produceTo("t", 9)).(*kmsg.ProduceResponse)
	if code := produced.Topics[0].Partitions[0].ErrorCode; code != 0 {
		s.t.Fatal("the topic cannot be produced to: ", code)
	}
	return resp.Topics[0].TopicID
}

func produceTo(topic string, version int16) *kmsg.ProduceRequest {
	var b record.Builder
	b.Reset(record.PlainSpec(0))
	b.Append(wallBase, []byte("k"), []byte("value"), nil)
	batch, _ := b.Build(nil)
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	req.Acks, req.TimeoutMillis = -1, 1000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch.Data}}}}
	return req
}

// said is a request as the stranger sent it.
type said struct {
	key, version int16
	correlation  int32
}

// checkAnswers demands that what was heard are whole answers to requests in the order in which they were sent, each readable in the version of its request.
// Only a Produce, whose acks may be 0, can be passed over. It returns how many of the requests that follow have no answer.
func checkAnswers(t *testing.T, sent, heard []byte) (unanswered []said) {
	var asked []said
	for len(sent) >= 12 {
		size := int64(int32(binary.BigEndian.Uint32(sent)))
		if size < 8 || size > int64(len(sent)-4) {
			break
		}
		asked = append(asked, said{int16(binary.BigEndian.Uint16(sent[4:])), int16(binary.BigEndian.Uint16(sent[6:])), int32(binary.BigEndian.Uint32(sent[8:]))})
		sent = sent[4+size:]
	}
	for len(heard) > 0 {
		frame, rest, ok, err := wire.Split(heard, frameMax)
		if err != nil || !ok {
			t.Fatalf("%d bytes are no answer: %v", len(heard), err)
		}
		heard = rest
		for len(asked) > 0 && asked[0].key == int16(api.Produce) && asked[0].correlation != int32(binary.BigEndian.Uint32(frame)) {
			asked = asked[1:]
		}
		if len(asked) == 0 {
			t.Fatalf("an answer to nothing: %x", frame)
		}
		req := kmsg.RequestForKey(asked[0].key)
		if req == nil {
			t.Fatalf("key %d is answered", asked[0].key)
		}
		req.SetVersion(asked[0].version)
		if row, _ := api.Lookup(api.ApiVersions); asked[0].key == int16(row.Key) && (asked[0].version < row.Min || asked[0].version > row.Max) {
			req.SetVersion(0)
		}
		if correlation, _, err := wire.DecodeResponse(req, frame); err != nil || correlation != asked[0].correlation {
			t.Fatalf("request %+v is answered by %d, %v: %x", asked[0], correlation, err, frame)
		}
		asked = asked[1:]
	}
	return asked
}

// converse says all of stream and checks how it ended: answered, or closed.
func (s *stranger) converse(stream []byte) {
	s.heard = nil
	s.line.ch.send(simnet.Client, stream)
	n := s.w.nodes[0]
	server := s.line.ch.server
	s.run(func() bool { return false })
	unanswered := checkAnswers(s.t, stream, s.heard)
	if n.p.conns[server.id] == server { // still open
		if server.machine.InFlight() > 0 && !server.machine.Fetching() {
			s.t.Fatalf("a request waits for ever: %+v", unanswered)
		}
		for _, a := range unanswered {
			if !server.machine.Fetching() && a.key != int16(api.Produce) {
				s.t.Fatalf("%+v is neither answered nor is its connection closed", a)
			}
		}
		server.close()
	}
	s.run(func() bool { return false })
	n.checkFrames()
	if f := s.w.failure; f != nil {
		s.t.Fatalf("%v: %s: %s", f.outcome, f.oracle, f.found)
	}
}

// framed makes honest frames of pieces that begin with a length of two bytes: so that a fuzzer that moves bytes about keeps more than the first frame.
func framed(data []byte) (stream []byte) {
	for len(data) >= 2 {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		stream = binary.BigEndian.AppendUint32(stream, uint32(n))
		stream = append(stream, data[2:2+n]...)
		data = data[2+n:]
	}
	return stream
}

// pieces is the input from which framed makes these requests.
func pieces(requests ...kmsg.Request) (data []byte) {
	for i, req := range requests {
		frame := wire.AppendRequest(nil, int32(i+1), "stranger", req)[4:]
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(frame))), frame...)
	}
	return data
}

// FuzzConversation: any bytes to a whole node: connection, core, log and disk. Each request is answered once, in order and readably, or the connection is
// closed; no oracle of the simulator fires, no frame is lost.
func FuzzConversation(f *testing.F) {
	shared := NewCodec()
	var t testing.T
	id := newStranger(&t, shared).makeTopic()
	for _, seed := range conversations(id) {
		f.Add(seed, true)
		f.Add(framed(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, honest bool) {
		if honest {
			data = framed(data)
		}
		s := newStranger(t, shared)
		s.makeTopic()
		s.converse(data)
	})
}
