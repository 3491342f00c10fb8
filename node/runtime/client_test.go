package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/disk/segment"
	"odradek/disk/vfs"
	"odradek/net/wire"
)

// logLines collects the log of a node.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// with returns the lines that hold a word.
func (l *logLines) with(word string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, word) {
			out = append(out, line)
		}
	}
	return out
}

// setup is what tests start nodes with: one directory, a listener on a free port.
type setup struct {
	fs     vfs.FS
	set    []string // key=value
	log    *logLines
	events string
}

func (s setup) start() (*Node, error) {
	if s.log == nil {
		s.log = new(logLines)
	}
	o := Options{FS: []vfs.FS{s.fs}, Paths: []string{"/the/data"}, Log: slog.New(slog.NewTextHandler(s.log, nil)), Events: s.events,
		Index: segment.Options{IndexBytes: 1 << 16}} // a simulated disk has no sparse files
	for _, kv := range append([]string{"listeners=PLAINTEXT://127.0.0.1:0", "log.index.size.max.bytes=65536"}, s.set...) {
		key, value, _ := strings.Cut(kv, "=")
		o.Config = append(o.Config, core.KeyValue{Key: key, Value: value})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Start(ctx, o)
}

// startOn starts a node on several directories.
func startOn(dirs ...vfs.FS) (*Node, error) {
	o := Options{FS: dirs, Log: slog.New(slog.DiscardHandler), Config: []core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"},
		{Key: "log.index.size.max.bytes", Value: "65536"}}}
	for i := range dirs {
		o.Paths = append(o.Paths, fmt.Sprintf("/dir/%d", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Start(ctx, o)
}

// running starts a node on a new disk; it is stopped with the test, if it still runs.
func running(t *testing.T, s setup) (*Node, *powerDisk) {
	t.Helper()
	disk := newPowerDisk()
	s.fs = disk.mount()
	if s.events == "" {
		s.events = filepath.Join(t.TempDir(), "events")
	}
	n, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	return n, disk
}

func stop(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// client is a raw connection to a node. Requests may be pipelined: answers come in their order.
type client struct {
	nc   net.Conn
	in   []byte
	sent []kmsg.Request
	last int32
	got  int32
}

func dial(n *Node) (*client, error) {
	nc, err := net.Dial("tcp", n.Endpoints()[0].Addr.String())
	if err != nil {
		return nil, err
	}
	return &client{nc: nc}, nc.SetDeadline(time.Now().Add(20 * time.Second))
}

func mustDial(t *testing.T, n *Node) *client {
	t.Helper()
	c, err := dial(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.nc.Close() })
	return c
}

// send writes requests in one piece.
func (c *client) send(reqs ...kmsg.Request) error {
	var out []byte
	for _, req := range reqs {
		c.last++
		out = wire.AppendRequest(out, c.last, "test", req)
		c.sent = append(c.sent, req)
	}
	_, err := c.nc.Write(out)
	return err
}

// receive returns the answer to the eldest request without one.
func (c *client) receive() (kmsg.Response, error) {
	for {
		frame, rest, ok, err := wire.Split(c.in, 64<<20)
		if err != nil {
			return nil, err
		}
		if !ok {
			var buf [64 << 10]byte
			n, err := c.nc.Read(buf[:])
			if c.in = append(c.in, buf[:n]...); n == 0 && err != nil {
				return nil, err
			}
			continue
		}
		c.in = rest
		req := c.sent[0]
		c.sent = c.sent[1:]
		correlation, resp, err := wire.DecodeResponse(req, bytes.Clone(frame))
		if c.got++; err == nil && correlation != c.got {
			err = fmt.Errorf("answer to request %d, want %d", correlation, c.got)
		}
		return resp, err
	}
}

func (c *client) ask(req kmsg.Request) (kmsg.Response, error) {
	if err := c.send(req); err != nil {
		return nil, err
	}
	return c.receive()
}

// produceOf is a Produce of one batch to one partition.
func produceOf(topic string, partition int32, acks int16, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = acks, 10_000
	t := kmsg.NewProduceRequestTopic()
	p := kmsg.NewProduceRequestTopicPartition()
	t.Topic, p.Partition, p.Records = topic, partition, batch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// producedAt reads the answer to produceOf.
func producedAt(resp kmsg.Response) (record.Offset, errcode.Code) {
	p := &resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return record.Offset(p.BaseOffset), errcode.Code(p.ErrorCode)
}

// batchOf builds a batch of one record for each value.
func batchOf(values ...string) []byte {
	var b record.Builder
	b.Reset(record.PlainSpec(0))
	for _, v := range values {
		b.Append(wall(), nil, []byte(v), nil)
	}
	built, err := b.Build(nil)
	if err != nil {
		panic(err)
	}
	return built.Data
}

// createTopic makes a topic with configs key=value.
func (c *client) createTopic(name string, partitions int32, configs ...string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for _, kv := range configs {
		key, value, _ := strings.Cut(kv, "=")
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		topic.Configs = append(topic.Configs, config)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	if code := errcode.Code(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); code != errcode.None {
		return fmt.Errorf("creating %s: %v", name, code)
	}
	return nil
}

func fetchOf(topic string, partition int32, from record.Offset, waitMs int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = waitMs, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	p := kmsg.NewFetchRequestTopicPartition()
	t.Topic, p.Partition, p.FetchOffset, p.PartitionMaxBytes = topic, partition, int64(from), 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// readTo reads a partition from its start up to an offset. The index of a value is its offset.
func (c *client) readTo(topic string, partition int32, end record.Offset) ([]string, error) {
	var values []string
	for deadline := time.Now().Add(10 * time.Second); record.Offset(len(values)) < end; {
		resp, err := c.ask(fetchOf(topic, partition, record.Offset(len(values)), 100))
		if err != nil {
			return values, err
		}
		p := &resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if code := errcode.Code(p.ErrorCode); code != errcode.None {
			return values, fmt.Errorf("fetch of %s-%d at %d: %v", topic, partition, len(values), code)
		}
		if values, err = appendValues(values, p.RecordBatches); err != nil {
			return values, fmt.Errorf("%s-%d: %w", topic, partition, err)
		}
		if time.Now().After(deadline) {
			return values, fmt.Errorf("%s-%d ends at %d, want %d", topic, partition, len(values), end)
		}
	}
	return values, nil
}

func appendValues(values []string, data []byte) ([]string, error) {
	it := record.Batches(data)
	for it.Next() {
		b := it.Batch
		if err := b.CheckCRC(); err != nil {
			return values, err
		}
		records := b.Records(nil, nil)
		for records.Next() {
			offset := b.BaseOffset + record.Offset(records.Record.OffsetDelta)
			if offset < record.Offset(len(values)) {
				continue
			}
			if offset != record.Offset(len(values)) {
				return values, fmt.Errorf("offset %d follows %d", offset, len(values)-1)
			}
			values = append(values, string(records.Record.Value))
		}
		if records.Err() != nil {
			return values, records.Err()
		}
	}
	return values, it.Err()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still no %s after 5 s", what)
		}
	}
}

// closes demands that the node ends a connection.
func (c *client) closes(t *testing.T) {
	t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c.nc); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("the connection was not closed: %v", err)
	}
}
