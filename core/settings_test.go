package core

import (
	"testing"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// A topic of more partitions than one Step takes up is made durable. Who was answered and then produces is answered when the record is durable, also in a
// partition whose turn has not come.
func TestAlterActsBeforeItsTurn(t *testing.T) {
	n, _ := asked(t, "boot", "create topic=a partitions=300 flush.messages=1000")
	last := stream.ID{Topic: n.topicID("a"), Partition: 299}
	probed := false
	n.watch = func(fx *Effects) {
		if probed || fx.Publish == nil || len(fx.Replies) == 0 {
			return
		}
		probed = true
		if n.core.replicas[last].FlushMessages != 1000 {
			t.Fatal("the last partition had its turn: the test would show nothing")
		}
		var own Effects
		batch := record.Batch{Count: 1, ProducerID: -1, Size: 100, Data: make([]byte, 100)}
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: &Request{Conn: 9, Key: api.Produce, Produce: &api.ProduceRequest{Acks: -1, TimeoutMs: 1000,
			Partitions: []api.ProducePartition{{Topic: "a", Partition: 299, Batch: batch}}}}}, &own)
		synced := false
		for _, op := range own.Disk {
			synced = synced || op.Kind == DiskAppend && op.Stream == last && op.Sync
		}
		g := n.core.replicas[last].Generation
		n.core.Step(n.now, &Event{Kind: EvWritten, Stream: last, Generation: g, UpTo: 1}, &own)
		if !synced || len(own.Replies) > 0 {
			t.Errorf("synced %t, %d replies to a record that is only written", synced, len(own.Replies))
		}
		n.core.Step(n.now, &Event{Kind: EvDurable, Stream: last, Generation: g, UpTo: 1}, &own)
		if len(own.Replies) != 1 || own.Replies[0].Produce.Partitions[0].Err != errcode.None {
			t.Errorf("replies %+v", own.Replies)
		}
	}
	n.command([]string{"alter", "topic=a", "flush.messages=1"})
	if !probed {
		t.Fatal("the alter was not answered")
	}
}
