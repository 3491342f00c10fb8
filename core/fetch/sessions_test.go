package fetch

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/stream"
)

func request(id, epoch int32, first, n int) *api.FetchRequest {
	req := &api.FetchRequest{ReplicaID: -1, SessionID: id, SessionEpoch: epoch}
	for i := range n {
		req.Partitions = append(req.Partitions, api.FetchPartition{Topic: "t", Partition: int32(first + i)})
	}
	return req
}

func results(n int) []api.FetchResult {
	out := make([]api.FetchResult, n)
	for i := range out {
		out[i] = api.FetchResult{Topic: "t", Partition: int32(i)}
	}
	return out
}

// cached is a session as Kafka's rules see it.
type cached struct {
	id         int32
	privileged bool
	size       int
	created    int64
	used       int64
	touched    int // order of last use
	settled    bool
}

// victim is Kafka's tryEvict, by looking at all sessions. Of sessions of one value any may go.
func victim(list []cached, privileged bool, size int, now int64) (values []int32) {
	oldest := slices.MinFunc(list, func(a, b cached) int { return a.touched - b.touched })
	if now-oldest.used > evictionMs {
		return []int32{oldest.id}
	}
	var best int64 = -1
	for _, s := range list {
		if !s.settled && (!privileged || s.privileged) {
			continue
		}
		switch v := value(s.privileged, s.size); {
		case best < 0 || v < best:
			best, values = v, []int32{s.id}
		case v == best:
			values = append(values, s.id)
		}
	}
	if best < 0 || value(privileged, size) <= best {
		return nil
	}
	return values
}

// TestEvictionAgainstKafkasRules compares the cache with a list that is looked through each time.
func TestEvictionAgainstKafkasRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(0, 4).Draw(t, "slots")
		c := NewSessions(slots)
		var list []cached
		var now int64
		var touches int
		var seed uint64
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			now += rapid.SampledFrom([]int64{0, 1, 60_000, 120_000, 120_001}).Draw(t, "passes")
			touches++
			size := rapid.IntRange(0, 4).Draw(t, "size")
			if k := rapid.IntRange(0, 3).Draw(t, "kind"); k > 0 && len(list) > 0 {
				s := &list[rapid.IntRange(0, len(list)-1).Draw(t, "session")]
				held, _ := c.Get(s.id)
				req := request(s.id, held.Epoch, 0, size)
				for i := size; i < 4; i++ {
					req.Forgotten = append(req.Forgotten, api.FetchForgotten{Topic: "t", Partition: int32(i)})
				}
				if got, code := c.Use(req, now); code != errcode.None || got != held || held.Len() != size {
					t.Fatalf("%v, %d partitions of %d", code, held.Len(), size)
				}
				s.used, s.size, s.touched, s.settled = now, size, touches, s.settled || now-s.created > evictionMs
				if k == 3 {
					c.Remove(held)
					c.Remove(held)
					list = slices.DeleteFunc(list, func(x cached) bool { return x.id == held.ID })
				}
			} else {
				privileged := rapid.Bool().Draw(t, "replica")
				var out []int32
				room := len(list) < slots
				if !room && len(list) > 0 {
					out = victim(list, privileged, size, now)
				}
				evicted, ok := c.Make(size, privileged, now)
				if ok != (room || len(out) > 0) || (evicted != nil) != (len(out) > 0) || evicted != nil && !slices.Contains(out, evicted.ID) {
					t.Fatalf("room: %t, gives way: %v; the rules say %v", ok, evicted, out)
				}
				if !ok {
					continue
				}
				if evicted != nil {
					c.Remove(evicted)
					list = slices.DeleteFunc(list, func(x cached) bool { return x.id == evicted.ID })
				}
				req := request(0, 0, 0, size)
				if privileged {
					req.ReplicaID = 3
				}
				s := c.Add(req, results(size), now, func(uint64) uint64 { seed++; return seed / 2 }) // each number twice
				list = append(list, cached{id: s.ID, privileged: privileged, size: size, created: now, used: now, touched: touches})
			}
			parts := 0
			for i := range list {
				parts += list[i].size
			}
			if st := c.Stats(); st.Sessions != len(list) || st.Partitions != parts || len(list) > slots {
				t.Fatalf("%+v; %d sessions of %d partitions are there", st, len(list), parts)
			}
		}
	})
}

// TestRotation gives each answer room for one partition, while all have records: each gets its turn.
func TestRotation(t *testing.T) {
	c := NewSessions(1)
	s := c.Add(request(0, 0, 0, 3), results(3), 0, func(uint64) uint64 { return 4 })
	var order []int32
	for range 7 {
		for i, p := range s.Queue() {
			r := api.FetchResult{HighWatermark: 9}
			if i == 0 {
				order = append(order, p.Asked.Partition)
				r.Extents = []stream.Extent{{Len: 1}}
			}
			p.Answer(&r, false)
		}
	}
	if !slices.Equal(order, []int32{0, 1, 2, 0, 1, 2, 0}) {
		t.Fatalf("records were given of partitions %v", order)
	}
}

// TestRegister holds the lists of streams against what was registered.
func TestRegister(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewSessions(3)
		var parts []*Part
		var draws uint64
		at := map[*Part]stream.ID{}
		for range 3 {
			s := c.Add(request(0, 0, 0, 3), results(3), 0, func(uint64) uint64 { draws++; return draws })
			parts = append(parts, s.Queue()...)
		}
		for range rapid.IntRange(1, 40).Draw(t, "operations") {
			p := rapid.SampledFrom(parts).Draw(t, "part")
			id := stream.ID{Partition: int32(rapid.IntRange(0, 3).Draw(t, "stream"))}
			if rapid.IntRange(0, 15).Draw(t, "ends") == 0 {
				c.Remove(p.session)
				for q := range at {
					if q.session == p.session {
						delete(at, q)
					}
				}
			}
			if c.Register(p, id); !p.session.Gone() {
				at[p] = id
			}
			for _, q := range parts {
				q.session.dequeue(q)
			}
			c.Mark(id)
			for _, q := range parts {
				if where, ok := at[q]; q.queued != (ok && where == id) {
					t.Fatalf("a part at %v (registered: %t) hears of %v: %t", where, ok, id, q.queued)
				}
			}
		}
	})
}

// TestEpochs: after the largest comes 1, and only the next one is taken.
func TestEpochs(t *testing.T) {
	c := NewSessions(1)
	s := c.Add(request(0, 0, 0, 1), results(1), 0, func(uint64) uint64 { return 0 })
	if s.ID != 1 || s.Epoch != 1 {
		t.Fatalf("id %d, epoch %d", s.ID, s.Epoch)
	}
	s.Epoch = 1<<31 - 1
	if _, code := c.Use(request(1, 1<<31-1, 0, 0), 0); code != errcode.None || s.Epoch != 1 {
		t.Fatalf("%v, then epoch %d", code, s.Epoch)
	}
	for _, epoch := range []int32{2, 1<<31 - 1, -2} {
		if _, code := c.Use(request(1, epoch, 0, 0), 0); code != errcode.InvalidFetchSessionEpoch {
			t.Fatalf("epoch %d: %v", epoch, code)
		}
	}
	byID := request(1, 1, 0, 0)
	byID.ByID = true
	if _, code := c.Use(byID, 0); code != errcode.FetchSessionTopicIDError {
		t.Fatalf("by id: %v", code)
	}
	if _, code := c.Use(request(2, 1, 0, 0), 0); code != errcode.FetchSessionIDNotFound {
		t.Fatalf("unknown: %v", code)
	}
}

// TestBound: all sessions together hold no more than PartitionsMax partitions, and one that grows over it is told to go.
func TestBound(t *testing.T) {
	c := NewSessions(10)
	if _, ok := c.Make(PartitionsMax+1, false, 0); ok {
		t.Fatal("a session that is too large gets room")
	}
	s := c.Add(request(0, 0, 0, 1), results(1), 0, func(uint64) uint64 { return 0 })
	if _, ok := c.Make(PartitionsMax, false, 0); ok {
		t.Fatal("room for more than there is")
	}
	if _, _ = c.Use(request(1, 1, 0, PartitionsMax+1), 0); !c.Full() {
		t.Fatal("a session grew without bound")
	}
	if c.Remove(s); c.Full() || c.Stats().Partitions != 0 {
		t.Fatalf("%+v", c.Stats())
	}
}
