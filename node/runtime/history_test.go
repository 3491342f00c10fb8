package runtime

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/net/tcp"
)

// The history keeps the last events, in order.
func TestHistoryKeepsTheLast(t *testing.T) {
	var h history
	for i := range 2*historyEvents + 7 {
		h.add(&core.Event{Kind: core.EvConnClosed, Conn: core.ConnID(i)})
	}
	lines := bytes.Split(h.text("why"), []byte("\n"))
	if len(lines) != historyEvents+2 {
		t.Fatal(len(lines), "lines")
	}
	for i := range historyEvents {
		if want := fmt.Sprintf("ConnClosed conn=%d", historyEvents+7+i); string(lines[i]) != want {
			t.Fatalf("line %d: %s, want %s", i, lines[i], want)
		}
	}
	if string(lines[historyEvents]) != "halt: why" {
		t.Errorf("last: %s", lines[historyEvents])
	}
}

// Events may be large: what hangs on them is bounded, and bodies are not kept at all.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	for i := range 100 {
		h.add(&core.Event{Kind: core.EvRequest, Request: &core.Request{Correlation: int32(i), Key: api.Fetch,
			Fetch: &api.FetchRequest{Partitions: make([]api.FetchPartition, 5000)}}})
		if h.weight > historyWeight {
			t.Fatalf("weight %d", h.weight)
		}
	}
	if h.count == 0 || h.count > 20 {
		t.Errorf("%d fetches of 5000 partitions are kept", h.count)
	}
	huge := &core.Event{Kind: core.EvRequest, Request: &core.Request{Key: api.Fetch, Fetch: &api.FetchRequest{Partitions: make([]api.FetchPartition, 2*historyWeight)}}}
	h.add(huge)
	if h.count != 1 {
		t.Errorf("%d events are kept beside one that outweighs all", h.count)
	}
	h.add(&core.Event{Kind: core.EvRequest, Request: &core.Request{Key: api.CreateTopics, Body: kmsg.NewPtrCreateTopicsRequest()}})
	h.add(&core.Event{Kind: core.EvLoaded, Loaded: &core.Loaded{Bytes: make([]byte, 1000)}})
	if h.count != 2 {
		t.Errorf("%d events are kept; the one that outweighs all should be gone", h.count)
	}
	for i := range h.count {
		if e := &h.ring[(h.first+i)%historyEvents]; e.ev.Request != nil || e.ev.Loaded != nil || len(e.line) == 0 {
			t.Errorf("entry %d holds more than its line", i)
		}
	}
}

// After its Step a Produce names no bytes of its frame: else the history would hold buffers that the pool has given up.
func TestSettledProduceNamesNoBytes(t *testing.T) {
	n := &Node{frames: tcp.NewFrames(0, true)}
	buf, id := n.frames.Get(100)
	produce := &api.ProduceRequest{Partitions: []api.ProducePartition{{Batch: record.Batch{Frame: id, Data: buf}}, {Batch: record.Batch{Frame: id, Data: buf}}}}
	n.fx.Disk = []core.DiskOp{{Kind: core.DiskAppend, Batch: produce.Partitions[1].Batch}}
	n.settleFrame(&core.Event{Kind: core.EvRequest, Request: &core.Request{Frame: id, Produce: produce}}, 0)
	for i := range produce.Partitions {
		if produce.Partitions[i].Batch.Data != nil {
			t.Errorf("partition %d still names its bytes", i)
		}
	}
	if n.fx.Disk[0].Batch.Data == nil || n.frames.InUse() == 0 {
		t.Error("the append has lost its bytes")
	}
	n.frames.Release(id)
	if n.frames.InUse() != 0 {
		t.Error("the frame is still held")
	}
}
