package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sessionStats are the counters of fetch sessions in /debug/stats.
type sessionStats struct {
	Sessions, Partitions          int
	Created, Evicted, Incremental int64
}

func (n *node) sessionStats() sessionStats {
	n.t.Helper()
	resp, err := http.Get("http://" + n.admin + "/debug/stats")
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct{ FetchSessions sessionStats }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		n.t.Fatal(err)
	}
	return all.FetchSessions
}

// expect polls until the values arrived in order within their partitions; values are "<partition> <number>".
func expect(t *testing.T, c *kgo.Client, next map[int32]int, total int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for got := 0; got < total; {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("after %d of %d records: %v, %v", got, total, ctx.Err(), fetches.Errors())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("%d %d", r.Partition, next[r.Partition]); string(r.Value) != want {
				t.Fatalf("%s-%d offset %d is %q, want %q", r.Topic, r.Partition, r.Offset, r.Value, want)
			}
			next[r.Partition]++
			got++
		})
	}
}

func send(t *testing.T, c *kgo.Client, topic string, sent map[int32]int, partition int32) {
	t.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "%d %d", partition, sent[partition])}
	if err := c.ProduceSync(deadline(t, 10*time.Second), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	sent[partition]++
}

// TestFetchSessions reads a topic of many partitions while one after the other is written to. franz-go uses sessions by itself.
func TestFetchSessions(t *testing.T) {
	n := start(t)
	p := client(t, n)
	createTopic(t, p, "many", 50)
	c := client(t, n, kgo.ConsumeTopics("many"), kgo.FetchMaxWait(200*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	sent, next := map[int32]int{}, map[int32]int{}
	for i := range int32(200) {
		send(t, p, "many", sent, i*7%50)
		if i%20 == 19 {
			expect(t, c, next, 20)
		}
	}
	s := n.sessionStats()
	if t.Logf("%+v", s); s.Sessions < 1 || s.Partitions < 50 || s.Incremental < 10 || s.Created > s.Incremental {
		t.Fatalf("sessions are hardly used: %+v", s)
	}
}

// TestFetchSessionOfARecreatedTopic deletes and recreates a topic under a consumer: it is told so, and another topic of the same session goes on.
func TestFetchSessionOfARecreatedTopic(t *testing.T) {
	n := start(t)
	p := client(t, n)
	createTopic(t, p, "stays", 3)
	createTopic(t, p, "goes", 1)
	c := client(t, n, kgo.ConsumeTopics("stays", "goes"), kgo.FetchMaxWait(200*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	stays, goes := map[int32]int{}, map[int32]int{}
	nextStays, nextGoes := map[int32]int{}, map[int32]int{}
	both := func(wantStays, wantGoes int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for gotStays, gotGoes := 0, 0; gotStays < wantStays || gotGoes < wantGoes; {
			fetches := c.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("%d of %d and %d of %d records: %v", gotStays, wantStays, gotGoes, wantGoes, fetches.Errors())
			}
			fetches.EachRecord(func(r *kgo.Record) {
				next, got := nextStays, &gotStays
				if r.Topic == "goes" {
					next, got = nextGoes, &gotGoes
				}
				if want := fmt.Sprintf("%d %d", r.Partition, next[r.Partition]); string(r.Value) != want {
					t.Fatalf("%s-%d offset %d is %q, want %q", r.Topic, r.Partition, r.Offset, r.Value, want)
				}
				next[r.Partition]++
				*got++
			})
		}
	}
	send(t, p, "stays", stays, 0)
	send(t, p, "goes", goes, 0)
	both(1, 1)
	if _, err := kadm.NewClient(p).DeleteTopics(deadline(t, 10*time.Second), "goes"); err != nil {
		t.Fatal(err)
	}
	send(t, p, "stays", stays, 1)
	both(1, 0)
	createTopic(t, p, "goes", 1)
	// franz-go does not follow a topic to its new id by itself: it must be told by UNKNOWN_TOPIC_ID, and then its user decides.
	for told := false; !told; {
		fetches := c.PollFetches(deadline(t, 10*time.Second))
		fetches.EachError(func(topic string, _ int32, err error) {
			if told = told || topic == "goes" && errors.Is(err, kerr.UnknownTopicID); !told {
				t.Fatalf("%s: %v", topic, err)
			}
		})
	}
	c.PurgeTopicsFromConsuming("goes")
	c.AddConsumeTopics("goes")
	again := client(t, n) // it knows the new topic only
	clear(goes)
	clear(nextGoes)
	send(t, again, "goes", goes, 0)
	send(t, p, "stays", stays, 2)
	both(1, 1)
	if s := n.sessionStats(); s.Incremental < 3 {
		t.Fatalf("%+v", s)
	}
}

// TestFetchSessionEviction has three consumers share a cache of one: whoever has no session is served all the same.
func TestFetchSessionEviction(t *testing.T) {
	n := start(t, "max.incremental.fetch.session.cache.slots=1")
	p := client(t, n)
	createTopic(t, p, "few", 2)
	sent := map[int32]int{}
	var consumers []*kgo.Client
	var nexts []map[int32]int
	for range 3 {
		consumers = append(consumers, client(t, n, kgo.ConsumeTopics("few"), kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
		nexts = append(nexts, map[int32]int{})
	}
	for i := range int32(40) {
		send(t, p, "few", sent, i%2)
		for k, c := range consumers {
			expect(t, c, nexts[k], 1)
		}
	}
	if s := n.sessionStats(); s.Sessions != 1 || s.Incremental == 0 {
		t.Fatalf("%+v", s)
	}
}
