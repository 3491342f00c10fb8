package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// partName names a partition as a client of a session does.
type partName struct {
	topic     string
	id        record.UUID // by id: zero else
	partition int32
}

// known is what a client knows of a partition.
type known struct {
	err       errcode.Code
	hw, start record.Offset
}

// sessionClient fetches incrementally and keeps what it was told, as Kafka's consumer does.
type sessionClient struct {
	t       *rapid.T
	n       *testNode
	byID    bool
	max     int32
	id      int32
	epoch   int32
	offsets map[partName]record.Offset
	changed map[partName]bool // not yet told to the broker
	forgets map[partName]bool
	knows   map[partName]known
	records map[partName]record.Offset // partitions that the last answer gave records of, and the offset they were asked at
	starved map[partName]int           // answers in a row that had records to give and gave none of it
	waits   bool
	answers int
	refused int
}

func (c *sessionClient) request(names []partName, id, epoch int32, wait int32, max int32) *Request {
	c.n.corr++
	req := &api.FetchRequest{ReplicaID: record.NoNode, MaxWaitMs: wait, MinBytes: 1, MaxBytes: max, SessionID: id, SessionEpoch: epoch, ByID: c.byID}
	for _, name := range names {
		req.Partitions = append(req.Partitions, api.FetchPartition{Topic: name.topic, TopicID: name.id, Partition: name.partition,
			CurrentEpoch: record.NoEpoch, Offset: c.offsets[name], MaxBytes: 1 << 20})
	}
	return &Request{Conn: 7, Correlation: c.n.corr, Key: api.Fetch, Version: 13, Fetch: req}
}

func sortedNames[V any](m map[partName]V) []partName {
	return slices.SortedFunc(maps.Keys(m), func(a, b partName) int {
		return strings.Compare(fmt.Sprint(a.topic, a.id, a.partition), fmt.Sprint(b.topic, b.id, b.partition))
	})
}

// ask sends what has changed, or everything where there is no session.
func (c *sessionClient) ask(wait int32) {
	names := sortedNames(c.changed)
	if c.id == 0 {
		c.epoch, names = 0, sortedNames(c.offsets)
		clear(c.knows)
	}
	r := c.request(names, c.id, c.epoch, wait, c.max)
	if c.epoch != 0 {
		for _, name := range sortedNames(c.forgets) {
			r.Fetch.Forgotten = append(r.Fetch.Forgotten, api.FetchForgotten{Topic: name.topic, TopicID: name.id, Partition: name.partition})
		}
	}
	clear(c.changed)
	clear(c.forgets)
	c.waits = true
	c.n.step(Event{Kind: EvRequest, Request: r})
}

// heard takes the answers of a Step.
func (c *sessionClient) heard(fx *Effects) {
	for i := range fx.Replies {
		if r := &fx.Replies[i]; r.Conn == 7 {
			c.waits = false
			c.answered(r.Fetch)
		}
	}
}

func (c *sessionClient) answered(f *api.FetchResponse) {
	if f.Err != errcode.None {
		c.refused++
		c.id = 0
		return
	}
	if c.epoch == 0 {
		c.id = f.SessionID
	} else if f.SessionID != c.id {
		c.id = 0
		return // its partitions are all forgotten
	}
	c.epoch++
	c.answers++
	clear(c.records)
	for i := range f.Partitions {
		p := &f.Partitions[i]
		name := partName{topic: p.Topic, partition: p.Partition}
		if c.byID {
			name = partName{id: p.TopicID, partition: p.Partition}
		}
		c.knows[name] = known{p.Err, p.HighWatermark, p.LogStart}
		if len(p.Extents) > 0 {
			c.records[name] = c.offsets[name]
		}
	}
	c.compare()
}

// compare holds what the client knows against what a fetch without session says of all partitions.
func (c *sessionClient) compare() {
	names := sortedNames(c.offsets)
	var fx Effects
	c.n.core.Step(c.n.now, &Event{Kind: EvRequest, Request: c.request(names, 0, api.FinalSessionEpoch, 0, 1<<30)}, &fx)
	full := fx.Replies[0].Fetch
	for i, name := range names {
		if c.changed[name] {
			continue // the broker knows another offset, or nothing of it
		}
		want := &full.Partitions[i]
		got, ok := c.knows[name]
		if !ok || got != (known{want.Err, want.HighWatermark, want.LogStart}) {
			c.t.Fatalf("%v: the client knows %+v (told: %t), a full fetch says %v hw=%d start=%d", name, got, ok, want.Err, want.HighWatermark, want.LogStart)
		}
		_, given := c.records[name]
		if len(want.Extents) > 0 == given {
			c.starved[name] = 0
			continue
		}
		if c.starved[name]++; given || c.max > 1<<20 || c.starved[name] > len(names) {
			c.t.Fatalf("%v at %d: records given: %t, in a full fetch: %v; passed over %d times", name, c.offsets[name], given, want.Extents, c.starved[name])
		}
	}
}

// follow moves the client behind what it was given, mostly: what it does not take it is given again.
func (c *sessionClient) follow() {
	for _, name := range sortedNames(c.records) {
		if _, asks := c.offsets[name]; asks && rapid.IntRange(0, 5).Draw(c.t, "takes") > 0 {
			c.offsets[name] = min(c.offsets[name]+1, c.knows[name].hw)
			c.changed[name] = true
		}
	}
	clear(c.records)
}

// change has the client ask for another partition, for one no longer, or from another offset.
func (c *sessionClient) change() {
	name := partName{topic: rapid.SampledFrom([]string{"a", "b"}).Draw(c.t, "topic"), partition: int32(rapid.IntRange(0, 3).Draw(c.t, "partition"))}
	if c.byID {
		if t, ok := c.n.core.meta.committed.Topic(name.topic); ok {
			name.id = t.ID
		} else {
			name.id = record.UUID{9}
		}
		name.topic = ""
	}
	_, asks := c.offsets[name]
	if asks && rapid.Bool().Draw(c.t, "forget") {
		delete(c.offsets, name)
		delete(c.knows, name)
		delete(c.changed, name)
		delete(c.starved, name)
		c.forgets[name] = true
		return
	}
	if c.forgets[name] {
		return // a client forgets and adds in two requests
	}
	c.offsets[name] = record.Offset(rapid.IntRange(0, 8).Draw(c.t, "offset"))
	c.changed[name] = true
}

// TestSessionsAgainstFullFetch compares, after each answer, what an incremental client has put together with what a full fetch says of all its partitions.
func TestSessionsAgainstFullFetch(t *testing.T) {
	var answers, refused int
	rapid.Check(t, func(rt *rapid.T) {
		n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
		run := func(format string, args ...any) { n.command(strings.Fields(fmt.Sprintf(format, args...))) }
		run("boot")
		c := &sessionClient{t: rt, n: n, byID: rapid.Bool().Draw(rt, "by id"), max: rapid.SampledFrom([]int32{1 << 30, 1 << 30, 100}).Draw(rt, "max"),
			offsets: map[partName]record.Offset{}, changed: map[partName]bool{}, forgets: map[partName]bool{}, knows: map[partName]known{},
			records: map[partName]record.Offset{}, starved: map[partName]int{}}
		n.watch = c.heard
		run("create topic=a partitions=2")
		for range rapid.IntRange(5, 80).Draw(rt, "operations") {
			topic := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "of")
			at := rapid.IntRange(0, 2).Draw(rt, "at")
			switch rapid.IntRange(0, 13).Draw(rt, "kind") {
			case 0:
				run("create topic=%s partitions=%d", topic, 1+at)
			case 1:
				run("delete topic=%s", topic)
			case 2, 3, 4:
				run("produce topic=%s partition=%d", topic, at)
			case 5:
				run("deleterecords topic=%s offset=%d", topic, at)
			case 6:
				run("hold durable")
			case 7:
				run("release durable")
			case 8, 9:
				if !c.waits {
					c.change()
				}
			case 10:
				run("timeout after-ms=600")
			default:
				if !c.waits {
					c.follow()
					c.ask(rapid.SampledFrom([]int32{0, 500}).Draw(rt, "wait"))
				}
			}
			n.out.Reset()
		}
		answers, refused = answers+c.answers, refused+c.refused
	})
	if t.Logf("%d answers, %d refusals", answers, refused); answers < 100 || refused > 0 {
		t.Fatalf("%d answers were compared, %d fetches refused", answers, refused)
	}
}

// TestSessionHearsOfALongDeletion: a topic of many partitions goes in slices, and a session is told of each of them from the first on.
func TestSessionHearsOfALongDeletion(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	run := func(line string) { n.command(strings.Fields(line)) }
	run("boot")
	run("create topic=a partitions=300")
	run("fetch topics=a:299@0 epoch-of-session=0 wait=0")
	run("fetch session=last epoch-of-session=1 wait=0")
	heard := 0
	n.watch = func(*Effects) {
		if _, ok := n.core.meta.committed.Topic("a"); ok || len(n.core.takeUps) == 0 {
			return
		}
		heard++
		var fx Effects
		r := &Request{Conn: 1, Key: api.Fetch, Fetch: &api.FetchRequest{ReplicaID: record.NoNode, SessionID: n.session, SessionEpoch: int32(1 + heard), MinBytes: 1}}
		n.core.Step(n.now, &Event{Kind: EvRequest, Request: r}, &fx)
		if len(fx.Replies) != 1 || len(fx.Replies[0].Fetch.Partitions) != 1 || fx.Replies[0].Fetch.Partitions[0].Err != errcode.UnknownTopicOrPartition {
			t.Fatalf("the topic is gone, and the session is told %s", fx.Append(nil))
		}
	}
	if run("delete topic=a"); heard == 0 {
		t.Fatal("all partitions went in one Step: nothing was looked at")
	}
}
