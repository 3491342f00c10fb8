package tcp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/vfs"
	"odradek/net/wire"
)

// fakeBroker gives each request to answer, on the goroutine that submits.
type fakeBroker struct {
	t      *testing.T
	frames *Frames
	server *Server
	answer func(req *core.Request)
	saw    func(events []core.Event) // of each Submit, first
	long   func(size int)            // of each batch that is prepared, and each query (0), first
	closed sync.Map                  // ConnID of EvConnClosed
}

func (b *fakeBroker) Frames() *Frames { return b.frames }

func (b *fakeBroker) Env() *wire.Env {
	long := func(size int) {
		if b.long != nil {
			b.long(size)
		}
	}
	query := func(*core.Request) (kmsg.Response, bool) {
		long(0)
		return nil, false
	}
	return &wire.Env{Query: query, Prepare: func(_ *wire.Policies, topic string, id record.UUID, part int32, data []byte, frame record.FrameID, _ int16) api.ProducePartition {
		long(len(data))
		return api.ProducePartition{Topic: topic, TopicID: id, Partition: part, Batch: record.Batch{Frame: frame, Size: int32(len(data)), Data: data}}
	}}
}

// wired stands for the wire: what a test has set up before it sends is there when the request arrives. The race detector does not know that of sockets.
var wired atomic.Int64

func (b *fakeBroker) Submit(events []core.Event) {
	wired.Load()
	if b.saw != nil {
		b.saw(events)
	}
	for i := range events {
		if ev := &events[i]; ev.Kind == core.EvConnClosed {
			b.closed.Store(ev.Conn, true)
		} else {
			b.answer(ev.Request)
		}
	}
}

// Reply sends one answer by itself.
func (s *Server) Reply(r *core.Reply, pins []Pin) {
	var one Replies
	one.Add(s, r, pins)
	one.Send()
}

// produced answers a Produce, echoing the size and first byte of its batch, and gives its frame back.
func (b *fakeBroker) produced(req *core.Request, code errcode.Code) {
	resp := &api.ProduceResponse{}
	for _, p := range req.Produce.Partitions {
		r := api.ProduceResult{Topic: p.Topic, Partition: p.Partition, Err: code, BaseOffset: record.Offset(p.Batch.Size), CurrentLeader: record.NoNode}
		if len(p.Batch.Data) > 0 {
			r.LogStart = record.Offset(p.Batch.Data[len(p.Batch.Data)-1])
		}
		resp.Partitions = append(resp.Partitions, r)
	}
	if req.Frame != record.NoFrame {
		b.frames.Release(req.Frame)
	}
	b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Produce: resp}, nil)
}

// logLines collects log lines.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.buf.String(), func(r rune) bool { return r == '\n' })
}

// expect waits for exactly one line, which holds each of words.
func (l *logLines) expect(t *testing.T, words ...string) {
	t.Helper()
	eventually(t, "a log line", func() bool { return len(l.all()) > 0 })
	time.Sleep(5 * time.Millisecond)
	got := l.all()
	if len(got) != 1 {
		t.Fatalf("%d log lines: %q", len(got), got)
	}
	for _, w := range words {
		if !strings.Contains(got[0], w) {
			t.Errorf("%q does not say %q", got[0], w)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still no %s after 5 s", what)
		}
	}
}

func start(t *testing.T, cfg Config, budget int64) (*fakeBroker, *logLines) {
	t.Helper()
	b := &fakeBroker{t: t, frames: NewFrames(budget, true)}
	b.answer = func(req *core.Request) {
		if req.Produce != nil {
			b.produced(req, errcode.None)
			return
		}
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Body: kmsg.ResponseForKey(int16(req.Key))}, nil)
	}
	log := new(logLines)
	cfg.Listeners = []string{"PLAINTEXT://127.0.0.1:0"}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	files := descriptors(t)
	s, err := Listen(cfg, b)
	if err != nil {
		t.Fatal(err)
	}
	b.server = s
	s.Serve()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx)
		eventually(t, "end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
		eventually(t, "end of all descriptors", func() bool { return descriptors(t) <= files })
		if n := b.frames.InUse(); n != 0 {
			t.Errorf("%d bytes of frames are never given back", n)
		}
	})
	return b, log
}

// descriptors counts those of this process, besides what Go's poller opens with the first socket.
func descriptors(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

type client struct {
	t    *testing.T
	nc   net.Conn
	have []byte
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	nc, err := net.Dial("tcp", s.Endpoints()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, nc: nc}
}

func (c *client) send(correlation int32, req kmsg.Request) {
	c.t.Helper()
	wired.Add(1)
	if _, err := c.nc.Write(wire.AppendRequest(nil, correlation, "test", req)); err != nil {
		c.t.Error(err)
	}
}

func (c *client) receive(req kmsg.Request) (int32, kmsg.Response, error) {
	for {
		frame, rest, ok, err := wire.Split(c.have, 1<<30)
		if err != nil {
			return 0, nil, err
		}
		if ok {
			c.have = rest
			return wire.DecodeResponse(req, frame)
		}
		buf := make([]byte, 256<<10)
		n, err := c.nc.Read(buf)
		c.have = append(c.have, buf[:n]...)
		if n == 0 && err != nil {
			return 0, nil, err
		}
	}
}

// closes waits for the server to hang up.
func (c *client) closes() {
	c.t.Helper()
	if _, _, err := c.receive(metadata()); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection is not closed: %v", err)
	}
}

func metadata() kmsg.Request {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	return req
}

func produce(size int, acks int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(11)
	req.Acks = acks
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: bytes.Repeat([]byte{7}, size)}}}}
	return req
}

// Many connections pipeline produces of many sizes; the broker answers from several goroutines in any order. Every answer comes back in order and
// tells the size and a byte of its own batch, so a frame given back too early (poisoned) or to two requests would show.
func TestPipelining(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	var workers sync.WaitGroup
	work := make(chan *core.Request, 1000)
	for range 4 {
		workers.Go(func() {
			for req := range work {
				b.produced(req, errcode.None)
			}
		})
	}
	b.answer = func(req *core.Request) { work <- req }
	var clients sync.WaitGroup
	for k := range 4 {
		c := dial(t, b.server)
		sizes := []int{10, 3000, 70_000, 5000, 200_000, 4096, 1}
		clients.Go(func() {
			for i := range 150 {
				c.send(int32(i), produce(sizes[(i+k)%len(sizes)], -1))
			}
		})
		clients.Go(func() {
			for i := range 150 {
				corr, resp, err := c.receive(produce(0, -1))
				if err != nil || corr != int32(i) {
					t.Errorf("client %d: answer %d came as %d, %v", k, corr, i, err)
					return
				}
				p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
				if p.BaseOffset != int64(sizes[(i+k)%len(sizes)]) || p.LogStartOffset != 7 {
					t.Errorf("client %d, answer %d: size %d, byte %d", k, i, p.BaseOffset, p.LogStartOffset)
				}
			}
		})
	}
	clients.Wait()
	_ = b.server.Shutdown(t.Context()) // nobody submits after it
	close(work)
	workers.Wait()
}

// A request of another kind waits for the produces before it, and the produce behind it for that.
func TestKindsAlternate(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	inFlight := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { inFlight <- req }
	c := dial(t, b.server)
	c.send(1, produce(10, -1))
	c.send(2, metadata())
	c.send(3, produce(10, 1))
	first := <-inFlight
	time.Sleep(20 * time.Millisecond)
	if len(inFlight) != 0 {
		t.Fatal("Metadata did not wait")
	}
	b.produced(first, errcode.None)
	second := <-inFlight
	time.Sleep(20 * time.Millisecond)
	if second.Key != api.Metadata || len(inFlight) != 0 {
		t.Fatal("Produce did not wait for Metadata")
	}
	b.server.Reply(&core.Reply{Conn: second.Conn, Correlation: second.Correlation, Key: second.Key, Body: kmsg.NewPtrMetadataResponse(), ThrottleMs: 30}, nil)
	muted := time.Now()
	b.produced(<-inFlight, errcode.None)
	if time.Since(muted) < 25*time.Millisecond {
		t.Error("the throttled connection was not muted")
	}
	for i, req := range []kmsg.Request{produce(0, 0), metadata(), produce(0, 0)} {
		if corr, _, err := c.receive(req); err != nil || corr != int32(i+1) {
			t.Fatal(corr, err)
		}
	}
}

// segmentFile is a file with a known content, with or without a descriptor, that counts pins.
type segmentFile struct {
	*os.File
	noFd bool
	pins sync.WaitGroup
}

func (f *segmentFile) WriteAt([][]byte, int64) (int64, error) { return 0, errors.ErrUnsupported }
func (f *segmentFile) Size() (int64, error)                   { return 0, errors.ErrUnsupported }
func (f *segmentFile) Map(int64) (vfs.Mapping, error)         { return nil, errors.ErrUnsupported }
func (f *segmentFile) SyncData() error                        { return errors.ErrUnsupported }
func (f *segmentFile) Hold() (uintptr, bool)                  { return f.Fd(), !f.noFd }
func (f *segmentFile) Drop()                                  {}

type filePin struct {
	f      *segmentFile
	off, n int64
}

func (p filePin) File() vfs.File { return p.f }
func (p filePin) Off() int64     { return p.off }
func (p filePin) Len() int64     { return p.n }
func (p filePin) Release()       { p.f.pins.Done() }

func newSegment(t *testing.T, size int, noFd bool) (*segmentFile, []byte) {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i ^ i>>8 ^ i>>16)
	}
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	seg := &segmentFile{File: f, noFd: noFd}
	t.Cleanup(func() {
		seg.pins.Wait() // a pin that is never released hangs the test; one released twice panics
		_ = f.Close()
	})
	return seg, content
}
