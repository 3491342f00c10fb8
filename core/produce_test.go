package core

import (
	"strings"
	"testing"

	"odradek/core/api"
	"odradek/core/record"
)

// A retry is answered with the time at which the original was appended, not with its own.
func TestDuplicateTellsItsAppendTime(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}}
	n.command([]string{"boot"})
	n.command([]string{"create", "topic=t"})
	for _, stamped := range []record.UnixMillis{1000, 2000} {
		n.fx.Reset()
		batch := record.Batch{Count: 1, Attributes: record.AttrLogAppendTime, MaxTimestamp: stamped, ProducerID: 7, Size: 100, Data: make([]byte, 100)}
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: &Request{Conn: 1, Key: api.Produce, Produce: &api.ProduceRequest{
			Partitions: []api.ProducePartition{{Topic: "t", Batch: batch}}}}}, &n.fx)
		if got := n.fx.Replies[0].Produce.Partitions[0]; got.LogAppendTime != 1000 || got.BaseOffset != 0 {
			t.Fatalf("stamped %d: answered %+v", stamped, got)
		}
	}
}
