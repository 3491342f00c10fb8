package runtime

import (
	"bytes"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

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

// What another node answered is noted without putting its records together: a follower gets a megabyte in each answer.
func TestHistoryLeavesOutRecords(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(12)
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = make([]byte, 1<<20)
	resp.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{p}}}
	h := history{young: make([]byte, 0, historyBytes), old: make([]byte, 0, historyBytes)}
	ev := &core.Event{Kind: core.EvAnswered, Call: 7, Answer: resp}
	if n := testing.AllocsPerRun(100, func() { h.add(5, ev) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if text := string(h.text("enough")); !strings.HasPrefix(text, "5 Answered call=7 key=Fetch v=12\n") {
		t.Errorf("noted as %.80q", text)
	}
}
