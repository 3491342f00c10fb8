package clientlib

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core"
	"odradek/core/errcode"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
	"odradek/node/runtime"
)

// startNode runs a node on a directory of the test.
func startNode(t *testing.T, dir, listen string, set ...core.KeyValue) *runtime.Node {
	t.Helper()
	config := append([]core.KeyValue{{Key: "listeners", Value: "PLAINTEXT://" + listen}}, set...)
	n, err := runtime.Start(context.Background(), runtime.Options{Config: config, FS: []vfs.FS{osfs.New(dir)}, Paths: []string{dir}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stopNode(t *testing.T, n *runtime.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func address(n *runtime.Node) string { return n.Endpoints()[0].Addr.String() }

func newClient(t *testing.T, bootstrap string) *Client {
	t.Helper()
	c, err := New(Config{Bootstrap: bootstrap, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopic(t *testing.T, c *Client, name string, partitions int32) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	resp, err := c.Do(context.Background(), Operation{Request: req, Target: proto.Controller()})
	if err != nil {
		t.Fatal(err)
	}
	if code := errcode.Code(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); code != errcode.None {
		t.Fatal(code)
	}
}

func latest(topic string, partition int32) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partition, -1, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// Operations find the controller and leaders by themselves, and go on over a restart of the broker.
func TestOperations(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, dir, "127.0.0.1:0")
	at := address(n)
	c := newClient(t, "127.0.0.1:1,"+at) // the first one answers nothing
	createTopic(t, c, "t", 3)
	ask := func() error {
		resp, err := c.Do(context.Background(), Operation{Request: latest("t", 2), Target: proto.Leader("t", 2)})
		if err == nil && resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset != 0 {
			t.Error("an empty partition has records")
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	stopNode(t, n)
	restarted := make(chan *runtime.Node)
	go func() {
		time.Sleep(300 * time.Millisecond)
		restarted <- startNode(t, dir, at)
	}()
	if err := ask(); err != nil {
		t.Errorf("over a restart: %v", err)
	}
	n = <-restarted
	defer stopNode(t, n)
	_, err := c.Do(context.Background(), Operation{Request: latest("t", 3), Target: proto.Leader("t", 3)})
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "ListOffsets t-3")
	_, err = c.Do(context.Background(), Operation{Request: latest("none", 0), Target: proto.Leader("none", 0)})
	wantError(t, err, errcode.UnknownTopicOrPartition, nil, "ListOffsets none-0")
	_, err = c.Do(context.Background(), Operation{Request: kmsg.NewPtrListGroupsRequest(), Target: proto.Any()})
	wantError(t, err, errcode.None, proto.ErrUnsupported, at)
	_, err = c.Do(context.Background(), Operation{Request: kmsg.NewPtrMetadataRequest(), Target: proto.Broker(7)})
	wantError(t, err, errcode.None, proto.ErrUnreachable, "no such broker")
}

func wantError(t *testing.T, err error, code errcode.Code, cause error, words string) {
	t.Helper()
	var e *proto.Error
	if !errors.As(err, &e) || e.Code != code || cause != nil && !errors.Is(err, cause) || !strings.Contains(err.Error(), words) {
		t.Errorf("%v; want %v or %v, and %q", err, code, cause, words)
	}
}

// What cannot be reached is told with the reason, in the time that the caller has.
func TestUnreachable(t *testing.T) {
	c := newClient(t, "127.0.0.1:1")
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, Operation{Request: kmsg.NewPtrMetadataRequest(), Target: proto.Any()})
	if !errors.Is(err, context.DeadlineExceeded) {
		wantError(t, err, errcode.None, proto.ErrUnreachable, "connection refused")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c = newClient(t, silent.Addr().String())
	c.timeout = 300 * time.Millisecond
	_, err = c.Do(context.Background(), Operation{Request: kmsg.NewPtrMetadataRequest(), Target: proto.Any()})
	wantError(t, err, errcode.None, proto.ErrTimeout, "Metadata")
	c.Close()
	_, err = c.Do(context.Background(), Operation{Request: kmsg.NewPtrMetadataRequest(), Target: proto.Any()})
	wantError(t, err, errcode.None, proto.ErrClosed, "closed")
	if _, err := New(Config{Bootstrap: "nowhere"}); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("a bootstrap without port: %v", err)
	}
}
