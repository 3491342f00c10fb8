package quorum

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/record"
)

// A follower fetches on when what the last answer brought is durable, and once: a fetch that leaves before names the old end, and its answer is thrown away.
func TestFetchesOnWhenItIsDurable(t *testing.T) {
	q := machine(t, 1, follows)
	var f Facts
	q.maybeFetch(ms, &f)
	q.pull.busy = true
	resp, p := kmsg.NewPtrFetchResponse(), kmsg.NewFetchResponseTopicPartition()
	p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch, p.HighWatermark, p.RecordBatches = 2, 4, 9, []byte{1}
	resp.Topics = []kmsg.FetchResponseTopic{{Partitions: []kmsg.FetchResponseTopicPartition{p}}}
	var got Facts
	q.Answered(2*ms, Call{To: 2, Body: q.fetchRequest()}, resp, &got)
	if got.Records == nil || len(got.Calls) != 0 {
		t.Fatalf("with the answer it makes %d calls", len(got.Calls))
	}
	b := record.Batch{BaseOffset: 9, Size: 100, Count: 1, LeaderEpoch: 4}
	if _, err := q.Accept(&b); err != nil {
		t.Fatal(err)
	}
	q.Timeout(3*ms, &got)
	if len(got.Calls) != 0 {
		t.Fatalf("before that is durable it makes %d calls", len(got.Calls))
	}
	q.OnDurable(4*ms, q.Generation, 10, &got)
	q.Timeout(5*ms, &got)
	if len(got.Calls) != 1 {
		t.Fatalf("when that is durable it makes %d calls", len(got.Calls))
	}
	if asked := got.Calls[0].Body.(*kmsg.FetchRequest).Topics[0].Partitions[0]; asked.FetchOffset != 10 {
		t.Errorf("it fetches from %d", asked.FetchOffset)
	}
}
