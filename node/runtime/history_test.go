package runtime

import (
	"bytes"
	goruntime "runtime"
	"strings"
	"testing"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
)

func heap() int64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Ten thousand events are kept, and nothing of the requests and record bytes that came with them.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	before := heap()
	for i := range 2*historyEvents + 5000 {
		data := make([]byte, 2_000)
		req := &core.Request{Correlation: int32(i), Key: api.Produce, Produce: &api.ProduceRequest{Partitions: []api.ProducePartition{
			{Topic: "topic", Batch: record.Batch{Count: 1, Size: int32(len(data)), Data: data}}}}}
		h.add(core.Instant(i), &core.Event{Kind: core.EvRequest, Request: req})
	}
	if grown := heap() - before; grown > 2*2*historyBytes {
		t.Errorf("%d events hold %d bytes", historyEvents, grown)
	}
	text := string(h.text("enough"))
	lines := strings.Split(text, "\n")
	if len(lines) < historyEvents || !strings.Contains(lines[len(lines)-3], "corr=24999 Produce") || lines[len(lines)-2] != "halt: enough" {
		t.Errorf("%d lines, the last: %q", len(lines), lines[len(lines)-3:])
	}

	wide := &core.Request{Key: api.Fetch, Fetch: &api.FetchRequest{Partitions: make([]api.FetchPartition, 60_000)}}
	for range 10 {
		h.add(1, &core.Event{Kind: core.EvRequest, Request: wide})
	}
	for line := range bytes.Lines(h.text("")) {
		if len(line) > historyLine {
			t.Fatalf("a line of %d bytes", len(line))
		}
	}
	if c := cap(h.young) + cap(h.old); c > 4*historyBytes {
		t.Errorf("%d bytes are kept after long lines", c)
	}
}
