package core

import (
	"strings"
	"testing"

	"odradek/core/api"
	"odradek/core/record"
	"odradek/core/stream"
)

// readyCore returns a core with a topic "t" of one partition.
func readyCore(b *testing.B) *testNode {
	n := &testNode{held: map[string]bool{}, out: &strings.Builder{}}
	n.command([]string{"boot"})
	n.command([]string{"create", "topic=t"})
	if n.core.meta.stage != stageReady || len(n.core.replicas) != 1 {
		b.Fatal("the core is not ready")
	}
	return n
}

// BenchmarkProduce is what the core does for one durable produce: Request, Written, Durable with the reply.
func BenchmarkProduce(b *testing.B) {
	n := readyCore(b)
	var builder record.Builder
	builder.Reset(record.PlainSpec(0))
	builder.Append(1000, nil, make([]byte, 1000), nil)
	batch, _ := builder.Build(nil)
	var id stream.ID
	for k := range n.core.replicas { // any order: there is one
		id = k
	}
	gen := n.core.replicas[id].Generation
	var fx Effects
	n.core.Step(n.now, &Event{Kind: EvSpace, Free: 1 << 60}, &fx)
	b.ReportAllocs()
	for b.Loop() {
		fx.Reset()
		req := &Request{Conn: 1, Key: api.Produce, Produce: &api.ProduceRequest{Acks: -1, TimeoutMs: 1000,
			Partitions: []api.ProducePartition{{Topic: "t", Batch: batch}}}}
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: req}, &fx)
		end := fx.Disk[len(fx.Disk)-1].Batch.NextOffset()
		n.core.Step(n.now, &Event{Kind: EvWritten, Stream: id, Generation: gen, UpTo: end}, &fx)
		n.core.Step(n.now, &Event{Kind: EvDurable, Stream: id, Generation: gen, UpTo: end}, &fx)
		if len(fx.Replies) != 1 {
			b.Fatal("not acknowledged")
		}
	}
}

// BenchmarkFetchTail is what the core does for one fetch of the last batch.
func BenchmarkFetchTail(b *testing.B) {
	n := readyCore(b)
	n.command([]string{"produce", "topic=t", "n=3"})
	req := &Request{Conn: 1, Key: api.Fetch, Fetch: &api.FetchRequest{SessionEpoch: api.FinalSessionEpoch, MinBytes: 1, MaxBytes: 1 << 20, Partitions: []api.FetchPartition{{Topic: "t", CurrentEpoch: -1, MaxBytes: 1 << 20}}}}
	var fx Effects
	b.ReportAllocs()
	for b.Loop() {
		fx.Reset()
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: req}, &fx)
		if len(fx.Replies) != 1 {
			b.Fatal("not answered")
		}
	}
}

// BenchmarkIncrementalFetch is one fetch of a session of 5000 partitions of which one has moved.
func BenchmarkIncrementalFetch(b *testing.B) {
	n := readyCore(b)
	n.command(strings.Fields("create topic=wide partitions=5000"))
	var fx Effects
	for at, ok := n.core.Deadline(); ok && at <= n.now.Mono; at, ok = n.core.Deadline() {
		fx.Reset()
		n.core.Step(n.now, &Event{Kind: EvTimeout}, &fx)
	}
	full := &api.FetchRequest{ReplicaID: record.NoNode, MinBytes: 1, MaxBytes: 1 << 20}
	for i := range int32(5000) {
		full.Partitions = append(full.Partitions, api.FetchPartition{Topic: "wide", Partition: i, CurrentEpoch: -1, MaxBytes: 1 << 20})
	}
	step := func(req *api.FetchRequest) *api.FetchResponse {
		fx.Reset()
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: &Request{Conn: 2, Key: api.Fetch, Fetch: req}}, &fx)
		return fx.Replies[0].Fetch
	}
	id := step(full).SessionID
	next := &api.FetchRequest{ReplicaID: record.NoNode, SessionID: id, SessionEpoch: 1, MinBytes: 1, MaxBytes: 1 << 20}
	step(next) // finds out that there is nothing more to tell
	t, _ := n.core.meta.committed.Topic("wide")
	b.ReportAllocs()
	for b.Loop() {
		n.core.consumers.sessions.Mark(stream.ID{Topic: t.ID, Partition: 7})
		next.SessionEpoch++
		if r := step(next); r.SessionID != id || len(r.Partitions) != 0 {
			b.Fatalf("session %d, %d partitions", r.SessionID, len(r.Partitions))
		}
	}
}
