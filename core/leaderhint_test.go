package core

import (
	"reflect"
	"strings"
	"testing"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// Who is refused with NOT_LEADER_OR_FOLLOWER hears who leads by the metadata and where to reach it, in Produce and in Fetch; who is refused otherwise hears nothing.
func TestLeaderHints(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}}
	// A topic that was deleted and made again is not taken up while the file of its recovery points is being written: the node leads it, and cannot serve it yet.
	for _, c := range []string{"boot", "create topic=t", "create topic=u", "produce topic=t n=3", "timeout after-ms=5000", "timeout after-ms=60000", "delete topic=t", "hold stored", "create topic=t"} {
		n.command(strings.Fields(c))
	}
	ask := func(r *Request) *Reply {
		t.Helper()
		r.Conn, r.Address = 1, "h:9092"
		n.fx.Reset()
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: r}, &n.fx)
		if len(n.fx.Replies) != 1 {
			t.Fatalf("%d replies", len(n.fx.Replies))
		}
		return &n.fx.Replies[0]
	}
	batch := record.Batch{Count: 1, ProducerID: record.NoProducer, Size: 100, Data: make([]byte, 100)}
	here := []api.Node{{ID: n.core.self, Host: "h", Port: 9092}}
	for _, c := range []struct {
		topic  string
		code   errcode.Code
		leader record.NodeID
		nodes  []api.Node
	}{
		{"t", errcode.NotLeaderOrFollower, n.core.self, here},
		{"nothing", errcode.UnknownTopicOrPartition, record.NoNode, nil},
	} {
		p := ask(&Request{Key: api.Produce, Produce: &api.ProduceRequest{Acks: -1, Partitions: []api.ProducePartition{{Topic: c.topic, Batch: batch}}}}).Produce
		if r := p.Partitions[0]; r.Err != c.code || r.CurrentLeader != c.leader || !reflect.DeepEqual(p.Nodes, c.nodes) {
			t.Errorf("produce to %s: %+v, %+v", c.topic, r, p.Nodes)
		}
		f := ask(&Request{Key: api.Fetch, Fetch: &api.FetchRequest{ReplicaID: record.NoNode, SessionEpoch: api.FinalSessionEpoch, MaxBytes: 1000,
			Partitions: []api.FetchPartition{{Topic: c.topic, CurrentEpoch: record.NoEpoch, MaxBytes: 1000}}}}).Fetch
		if r := f.Partitions[0]; r.Err != c.code || r.CurrentLeader != c.leader || !reflect.DeepEqual(f.Nodes, c.nodes) {
			t.Errorf("fetch of %s: %+v, %+v", c.topic, r, f.Nodes)
		}
	}
}
