package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/stream"
)

// copier is a node whose one partition copies from a leader, in a session: that is the node itself, of which nothing is asked.
func copier(t *testing.T) (*Core, *replica, *fetcher) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{"boot", "create topic=a", "produce topic=a n=3"} {
		n.command(strings.Fields(line))
	}
	c := n.core
	c.fx = &Effects{}
	rep := c.replicas[c.sortedReplicas()[0]]
	key := fetcherKey{c.self, rep.Dir}
	f := &fetcher{fetcherKey: key, parts: 1, told: 1, session: 7, epoch: 3}
	c.fetchers = map[fetcherKey]*fetcher{key: f}
	rep.copying = copying{from: f, told: true, offset: rep.Ends.Log, generation: rep.Generation}
	return c, rep, f
}

// named lists the partitions that the fetches of a Step name, and counts those fetches.
func (c *Core) named() (ids []stream.ID, fetches int) {
	c.fetchSlice()
	for i := range c.fx.Calls {
		req, ok := c.fx.Calls[i].Body.(*kmsg.FetchRequest)
		if !ok {
			continue
		}
		fetches++
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				ids = append(ids, stream.ID{Topic: t.TopicID, Partition: p.Partition})
			}
		}
	}
	c.fx.Calls = nil
	return ids, fetches
}

// When all partitions of a fetcher rest, its session ends with a last fetch, and nothing is sent before one of them is due: a fetch that names nothing is answered at once.
func TestFetcherOfNothingRests(t *testing.T) {
	c, rep, f := copier(t)
	c.restPartition(rep)
	c.fetchSoon(f)
	if ids, fetches := c.named(); len(ids) != 0 || fetches != 1 {
		t.Fatalf("%d fetches that name %v; want one that only leaves the session", fetches, ids)
	}
	for range 3 { // whatever happens meanwhile
		c.fetched(f, kmsg.NewPtrFetchResponse())
		if ids, fetches := c.named(); fetches != 0 {
			t.Fatalf("%d fetches, of %v", fetches, ids)
		}
	}
	for id := range c.resting { // any order: there is one
		c.rested(id)
	}
	if ids, fetches := c.named(); fetches != 1 || !slices.Equal(ids, []stream.ID{rep.ID}) {
		t.Fatalf("after its rest: %d fetches, of %v", fetches, ids)
	}
}

// An epoch in which this replica led and wrote nothing stands at the end of its log. Where its leader says that the logs part before, there is no record to cut, but the epoch goes: else
// the same is asked, and answered, for ever.
func TestPartedInAnEmptyEpoch(t *testing.T) {
	c, rep, f := copier(t)
	before := rep.Epochs.Latest()
	rep.Epochs.Assign(before+3, rep.Ends.Log)
	c.parted(rep, before, rep.Ends.Log, 0)
	if rep.Cutting() || rep.Epochs.Latest() != before || len(f.idle) != 0 {
		t.Fatalf("cut: %t; the last epoch is %d, before it was %d; it rests: %v", rep.Cutting(), rep.Epochs.Latest(), before, f.idle)
	}
	if ids, fetches := c.named(); fetches != 1 || !slices.Equal(ids, []stream.ID{rep.ID}) {
		t.Fatalf("%d fetches, of %v", fetches, ids)
	}
	f.busy = false
	rep.copying.changed = false
	c.parted(rep, before, rep.Ends.Log, 0) // and if that does not help, not at once again
	if len(f.idle) != 1 {
		t.Error("an answer that does not fit is asked for again at once")
	}
}
