package tcp

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/net/wire"
)

func fetch() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	return req
}

// serveExtents makes b answer each fetch with extents (offset, length) of f, three to a partition.
func serveExtents(b *fakeBroker, f *segmentFile, extents [][2]int) {
	b.answer = func(req *core.Request) {
		if req.Produce != nil {
			b.produced(req, errcode.None)
			return
		}
		resp := &api.FetchResponse{}
		var pins []Pin
		for i, x := range extents {
			if i%3 == 0 {
				resp.Partitions = append(resp.Partitions, api.FetchResult{Topic: "t", Partition: int32(i), CurrentLeader: record.NoNode})
			}
			p := &resp.Partitions[len(resp.Partitions)-1]
			p.Extents = append(p.Extents, stream.Extent{Pos: stream.Pos(x[0]), Len: int32(x[1])})
			f.pins.Add(1)
			pins = append(pins, filePin{f, int64(x[0]), int64(x[1])})
		}
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Fetch: resp}, pins)
	}
}

func wantExtents(content []byte, extents [][2]int) []byte {
	var want []byte
	for _, x := range extents {
		want = append(want, content[x[0]:x[0]+x[1]]...)
	}
	return want
}

func gotRecords(resp kmsg.Response) []byte {
	var got []byte
	for _, topic := range resp.(*kmsg.FetchResponse).Topics {
		for _, p := range topic.Partitions {
			got = append(got, p.RecordBatches...)
		}
	}
	return got
}

var mixedExtents = [][2]int{{0, 100}, {5000, sendfileMin}, {90_000, 1_000_000}, {17, sendfileMin - 1}, {3, 0}, {70_000, 70_001},
	{1_000_000, 3_000_000}, {1, 1}}

func TestFetchSendsExtents(t *testing.T) {
	for name, noFd := range map[string]bool{"sendfile": false, "pread": true} {
		for _, slow := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " to a slow reader"}[slow], func(t *testing.T) {
				seg, content := newSegment(t, 4<<20, noFd)
				b, log := start(t, Config{}, 0)
				serveExtents(b, seg, mixedExtents)
				c := dial(t, b.server)
				for i := range 3 {
					c.send(int32(i), fetch())
					if slow {
						time.Sleep(20 * time.Millisecond) // the socket fills up meanwhile, and the rest queues
					}
					corr, resp, err := c.receive(fetch())
					if err != nil || corr != int32(i) {
						t.Fatal(corr, err, log.all())
					}
					if got, want := gotRecords(resp), wantExtents(content, mixedExtents); !bytes.Equal(got, want) {
						t.Fatalf("fetch %d: %d bytes, want %d", i, len(got), len(want))
					}
				}
				if got, want := b.server.Extents(), countedExtents(3, noFd); got != want {
					t.Errorf("the counters say %+v, want %+v", got, want)
				}
			})
		}
	}
}

// countedExtents are what the counters must say after so many fetches: nothing above the crossover passes through memory where the file has a descriptor.
func countedExtents(fetches int64, noFd bool) (e Extents) {
	for _, x := range mixedExtents {
		switch n := fetches * int64(x[1]); {
		case x[1] < sendfileMin:
			e.Small += n
		case noFd:
			e.Large += n
		default:
			e.Kernel += n
		}
	}
	return e
}

// The file was cut under a pin: what was promised cannot be sent, so the connection is closed rather than filled up with something.
func TestTruncatedFileCloses(t *testing.T) {
	for name, extents := range map[string][][2]int{"large": {{0, 1_000_000}}, "small": {{500_000, 100}, {0, 100}, {0, 10_000}}} {
		for _, noFd := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				seg, _ := newSegment(t, 1<<20, noFd)
				b, log := start(t, Config{}, 0)
				serveExtents(b, seg, extents)
				if err := seg.Truncate(300_000); err != nil {
					t.Fatal(err)
				}
				c := dial(t, b.server)
				c.send(1, fetch())
				c.closes()
				log.expect(t, "127.0.0.1", "could not be read", "check the disk")
			})
		}
	}
}

// Responses that wait behind a large one keep their bytes, though the machine has written others into its buffer since.
func TestQueuedResponsesKeepTheirBytes(t *testing.T) {
	seg, _ := newSegment(t, 16<<20, false)
	b, log := start(t, Config{}, 0)
	serveExtents(b, seg, [][2]int{{0, 16 << 20}})
	c := dial(t, b.server)
	const n = 40
	c.send(0, fetch())
	for i := range n {
		c.send(int32(1+i), produce(1+i, 1))
	}
	time.Sleep(50 * time.Millisecond)
	if _, resp, err := c.receive(fetch()); err != nil || len(gotRecords(resp)) != 16<<20 {
		t.Fatal(err, log.all())
	}
	for i := range n {
		corr, resp, err := c.receive(produce(0, 1))
		if err != nil || corr != int32(1+i) || resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].BaseOffset != int64(1+i) {
			t.Fatal(i, corr, err, log.all())
		}
	}
}

// A peer that asks and does not read is closed when more waits for it than it may leave unread; and pins are not kept for it.
func TestQueueOverflowCloses(t *testing.T) {
	seg, _ := newSegment(t, 32<<20, false)
	b, log := start(t, Config{QueueMax: 10}, 0)
	serveExtents(b, seg, [][2]int{{0, 32 << 20}, {0, 32 << 20}, {0, 100}, {0, 100}})
	c := dial(t, b.server)
	c.send(1, fetch())
	for i := range 20 { // the server may close in the middle: that is what is wanted
		if _, err := c.nc.Write(wire.AppendRequest(nil, int32(2+i), "test", produce(1, 1))); err != nil {
			break
		}
	}
	log.expect(t, "does not read them", "client hangs")
}

// While responses wait for the peer, its requests are not read: the number in memory is bounded without closing anything.
func TestBackPressure(t *testing.T) {
	b, log := start(t, Config{}, 0)
	served := make(chan struct{}, 100_000)
	big := kmsg.NewPtrMetadataResponse()
	cluster := string(bytes.Repeat([]byte{'x'}, 1<<20))
	big.ClusterID = &cluster
	b.answer = func(req *core.Request) {
		served <- struct{}{}
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Body: big}, nil)
	}
	c := dial(t, b.server)
	const n = 64
	for i := range n {
		c.send(int32(i), metadata())
	}
	time.Sleep(100 * time.Millisecond)
	if len(served) > n/2 {
		t.Errorf("%d MiB were made for a peer that reads nothing", len(served))
	}
	for i := range n {
		if corr, _, err := c.receive(metadata()); err != nil || corr != int32(i) {
			t.Fatal(corr, err, log.all())
		}
	}
}
