package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/internal/golden"
)

// TestConnScripts runs stories of the connection machine. After each command everything that may be sent is printed.
//
//	produce|metadata|fetch|apiversions|init corr=N [v=N] [acks=N] [topic=T] [name=S]   a request arrives
//	raw key=N v=N corr=N [hex=…]                                                       any frame
//	reply n=N [err=N] [throttle=N] [size=N] [as=key]                                    the core answers request number n
//	query on|off                                                                       whether the image answers Metadata
//	state                                                                              what may be read
func TestConnScripts(t *testing.T) {
	golden.Run(t, "testdata/conn/*.txt", func(_ *testing.T, out *strings.Builder) func(string) {
		s := &script{conn: NewConn(Info{Conn: 7, Listener: "PLAINTEXT", Address: "127.0.0.1:9092", Peer: "10.0.0.9:4242"}), requests: map[int]core.Request{}, out: out}
		s.env = Env{Prepare: plainPrepare, Query: s.query, Features: testFeatures}
		return func(line string) { s.run(strings.Fields(line)) }
	})
}

func testFeatures() Features {
	return Features{FinalizedEpoch: 4, Supported: []kmsg.ApiVersionsResponseSupportedFeature{
		{Name: "group.version", MinVersion: 0, MaxVersion: 1}, {Name: "metadata.version", MinVersion: 7, MaxVersion: 29}},
		Finalized: []kmsg.ApiVersionsResponseFinalizedFeature{{Name: "metadata.version", MinVersionLevel: 7, MaxVersionLevel: 29}}}
}

type script struct {
	conn     *Conn
	env      Env
	out      *strings.Builder
	asks     bool
	requests map[int]core.Request
	sent     []kmsg.Request // requests by correlation order, to decode responses
}

func (s *script) printf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *script) query(req *core.Request) (kmsg.Response, bool) {
	if !s.asks || req.Key != api.Metadata {
		return nil, false
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.ClusterID = kmsg.StringPtr("from the image")
	return resp, true
}

type options map[string]string

func (o options) int(key string, otherwise int) int {
	if v, ok := o[key]; ok {
		n, _ := strconv.Atoi(v)
		return n
	}
	return otherwise
}

func (s *script) run(words []string) {
	o := options{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		o[k] = v
	}
	switch words[0] {
	case "query":
		_, s.asks = o["on"]
	case "state":
		s.printf("in flight %d, can read %t, admits Metadata %t", s.conn.InFlight(), s.conn.CanRead(), s.conn.Admits(api.Metadata))
	case "reply":
		s.reply(o)
	case "raw":
		data := appendI32(appendI16(appendI16(nil, int16(o.int("key", 0))), int16(o.int("v", 0))), int32(o.int("corr", 0)))
		for _, h := range strings.Split(o["hex"], ",") {
			if n, err := strconv.ParseUint(h, 16, 8); err == nil {
				data = append(data, byte(n))
			}
		}
		s.arrive(Frame{Key: api.Key(o.int("key", 0)), Version: int16(o.int("v", 0)), Correlation: int32(o.int("corr", 0)), Data: data})
	default:
		s.arrive(frameOf(int32(o.int("corr", 0)), scriptRequest(words[0], o)))
	}
	for {
		out, ok := s.conn.Next()
		if !ok {
			return
		}
		s.show(out)
	}
}

func scriptRequest(name string, o options) (req kmsg.Request) {
	switch name {
	case "produce":
		p := kmsg.NewPtrProduceRequest()
		p.Acks = int16(o.int("acks", -1))
		p.Topics = []kmsg.ProduceRequestTopic{{Topic: o["topic"], Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte("batch")}}}}
		req = p
	case "fetch":
		f := kmsg.NewPtrFetchRequest()
		f.Topics = []kmsg.FetchRequestTopic{{Topic: o["topic"], Partitions: []kmsg.FetchRequestTopicPartition{kmsg.NewFetchRequestTopicPartition()}}}
		req = f
	case "apiversions":
		a := kmsg.NewPtrApiVersionsRequest()
		a.ClientSoftwareName, a.ClientSoftwareVersion = o["name"], "1.0"
		req = a
	case "init":
		req = kmsg.NewPtrInitProducerIDRequest()
	case "metadata":
		req = kmsg.NewPtrMetadataRequest()
	default:
		panic("unknown command " + name)
	}
	served, _ := api.Lookup(api.Key(req.Key()))
	req.SetVersion(int16(o.int("v", int(served.Max))))
	return req
}

func (s *script) arrive(f Frame) {
	if !s.conn.Admits(f.Key) {
		s.printf("waits: %v is not admitted", f.Key)
		return
	}
	f.ID = 1
	v, err := s.conn.Frame(&s.env, f)
	if err != nil {
		s.printf("close: %v", err)
		return
	}
	if v.Submit {
		r := v.Request
		s.requests[int(r.Correlation)] = *r
		s.printf("submit %d: %v v%d from %s at %s, %d batches", r.Correlation, r.Key, r.Version, r.ClientID, r.Address, v.Batches)
	}
}

func (s *script) reply(o options) {
	n := o.int("n", 0)
	r := core.Reply{Conn: 7, Correlation: int32(n), Key: s.requests[n].Key, ThrottleMs: int32(o.int("throttle", 0))}
	if as, ok := o["as"]; ok {
		k, _ := strconv.Atoi(as)
		r.Key = api.Key(k)
	}
	switch r.Key {
	case api.Produce:
		r.Produce = &api.ProduceResponse{Partitions: []api.ProduceResult{
			{Topic: "t", Err: errcode.Code(o.int("err", 0)), BaseOffset: 9, CurrentLeader: record.NoNode}}}
	case api.Fetch:
		r.Fetch = &api.FetchResponse{Partitions: []api.FetchResult{
			{Topic: "t", CurrentLeader: record.NoNode, Extents: []stream.Extent{{Len: int32(o.int("size", 0))}}}}}
	default:
		resp := kmsg.ResponseForKey(int16(r.Key))
		r.Body = resp
	}
	if err := s.conn.Reply(&r); err != nil {
		s.printf("broken: %v", err)
	}
}

// show prints a response; ApiVersions in full, since clients hang on each byte of it.
func (s *script) show(o Outgoing) {
	if o.Close {
		s.printf("close: %s", o.Reason)
		return
	}
	b := gather(o)
	c := cursor{b: b}
	size, corr := c.i32(), c.i32()
	s.out.WriteString(fmt.Sprintf("send corr=%d size=%d", corr, size))
	if int(size) != len(b)-4 {
		s.out.WriteString(fmt.Sprintf(" BUT %d BYTES", len(b)-4))
	}
	for _, p := range o.Pieces {
		if p.IsExtent {
			s.out.WriteString(fmt.Sprintf(" extent %v", p.Extent.Len))
		}
	}
	if o.MuteMs > 0 {
		s.out.WriteString(fmt.Sprintf(" mute %d ms", o.MuteMs))
	}
	if corr >= 1000 { // by convention of the scripts
		s.out.WriteString(fmt.Sprintf("\n  %x", c.b))
	}
	s.out.WriteString("\n")
}

// ApiVersions in every version lists exactly the served table, and what comes back is what kmsg reads.
func TestApiVersionsTable(t *testing.T) {
	for version := int16(0); version <= 4; version++ {
		req := scriptRequest("apiversions", options{"name": "odradek", "v": fmt.Sprint(version)})
		c := NewConn(Info{})
		if _, err := c.Frame(&Env{Features: testFeatures}, frameOf(5, req)); err != nil {
			t.Fatal(err)
		}
		out, _ := c.Next()
		// The header of this response never has tagged fields: the body begins right behind the correlation id.
		var resp kmsg.ApiVersionsResponse
		resp.SetVersion(version)
		if err := resp.ReadFrom(gather(out)[8:]); err != nil || len(resp.ApiKeys) != len(api.Served) {
			t.Fatalf("v%d: %v, %d keys", version, err, len(resp.ApiKeys))
		}
		if _, same, err := DecodeResponse(req, gather(out)[4:]); err != nil || !bytes.Equal(same.AppendTo(nil), gather(out)[8:]) {
			t.Errorf("v%d: the client reads it as %+v, %v", version, same, err)
		}
		for i, r := range api.Served {
			if k := resp.ApiKeys[i]; k.ApiKey != int16(r.Key) || k.MinVersion != r.Min || k.MaxVersion != r.Max {
				t.Errorf("v%d: %+v, want %+v", version, k, r)
			}
		}
		if want := map[int16]int{3: 1, 4: 2}[version]; len(resp.SupportedFeatures) != want {
			t.Errorf("v%d: %d supported features, want %d", version, len(resp.SupportedFeatures), want)
		}
		if version >= 3 && (resp.FinalizedFeaturesEpoch != 4 || len(resp.FinalizedFeatures) != 1) {
			t.Errorf("v%d: %+v", version, resp)
		}
	}
}

// Whatever order the core answers in, responses go out in the order of requests, none twice, none lost; numbers wrap.
func TestOrderExhaustively(t *testing.T) {
	req := scriptRequest("produce", options{"topic": "t"})
	var permute func(n int, order []int, seen int)
	c := NewConn(Info{})
	c.number = 1<<31 - 100
	permute = func(n int, order []int, seen int) {
		if len(order) < n {
			for i := range n {
				if seen&(1<<i) == 0 {
					permute(n, append(order, i), seen|1<<i)
				}
			}
			return
		}
		first := c.number
		for i := range n {
			if _, err := c.Frame(&Env{Prepare: plainPrepare}, frameOf(int32(100+i), req)); err != nil {
				t.Fatal(err)
			}
		}
		answered, sent := 0, 0
		for _, i := range order {
			r := core.Reply{Correlation: first + int32(i), Key: api.Produce, Produce: &api.ProduceResponse{}}
			if err := c.Reply(&r); err != nil {
				t.Fatal(err)
			}
			answered |= 1 << i
			for {
				out, ok := c.Next()
				if !ok {
					break
				}
				if got := gather(out); got[7] != byte(100+sent) {
					t.Fatalf("order %v: response %d came as number %d", order, got[7]-100, sent)
				}
				if answered&(1<<sent) == 0 {
					t.Fatalf("order %v: %d was not answered", order, sent)
				}
				sent++
			}
			if answered&(1<<min(sent, n)) != 0 {
				t.Fatalf("order %v: %d is answered and first, and not sent", order, sent)
			}
		}
		if sent != n || c.InFlight() != 0 {
			t.Fatalf("order %v: %d sent", order, sent)
		}
	}
	permute(5, nil, 0)
}

// Once warm, a produce costs one allocation in, for what the core gets, and none out.
func TestProduceAllocations(t *testing.T) {
	run := produceRound()
	if n := testing.AllocsPerRun(200, run); n > 1 && !raceDetector {
		t.Errorf("%v allocations per produce", n)
	}
}

func BenchmarkProduce(b *testing.B) {
	run := produceRound()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}

func produceRound() func() {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(11)
	req.Acks = -1
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 1, Records: bytes.Repeat([]byte{1}, 16<<10)}}}}
	f := frameOf(1, req)
	f.ID = 1
	c := NewConn(Info{})
	env := &Env{Prepare: plainPrepare}
	resp := &api.ProduceResponse{Partitions: []api.ProduceResult{{Topic: "orders", Partition: 1, CurrentLeader: record.NoNode}}}
	var r core.Reply
	return func() {
		v, err := c.Frame(env, f)
		if err != nil {
			panic(err)
		}
		r = core.Reply{Correlation: v.Request.Correlation, Key: api.Produce, Produce: resp}
		if err := c.Reply(&r); err != nil {
			panic(err)
		}
		if _, ok := c.Next(); !ok {
			panic("nothing to send")
		}
	}
}
