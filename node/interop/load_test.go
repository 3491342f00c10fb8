package interop

import (
	"context"
	enc "encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// load is a set of idempotent producers that send numbered records with acks=all to all partitions, and remember what was acknowledged.
type load struct {
	t         *testing.T
	topic     string
	producers []*loader
	acked     atomic.Int64
	stopping  atomic.Bool
	sending   sync.WaitGroup
}

// loader is one producer: what it sent to each partition is numbered from 0.
type loader struct {
	client *kgo.Client
	sent   [partitions]int64

	mu      sync.Mutex
	offsets [partitions]map[int64]int64 // of what was acknowledged, by its number
	errs    []error
}

// startLoad starts producers that send until told to stop. Options come on top of: any number of retries, 20 ms apart.
func startLoad(t *testing.T, n *node, topic string, producers int, opts ...kgo.Opt) *load {
	t.Helper()
	l := &load{t: t, topic: topic}
	for id := range producers {
		p := &loader{client: client(t, n, append([]kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(time.Millisecond),
			kgo.MaxBufferedRecords(2000), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
			kgo.MetadataMinAge(20 * time.Millisecond)}, opts...)...)}
		for i := range p.offsets {
			p.offsets[i] = map[int64]int64{}
		}
		l.producers = append(l.producers, p)
		l.sending.Go(func() { l.send(id, p) })
	}
	return l
}

func (l *load) send(id int, p *loader) {
	rng := rand.New(rand.NewPCG(3, uint64(id)))
	for i := 0; !l.stopping.Load(); i++ {
		part := rng.IntN(partitions)
		number := p.sent[part]
		p.sent[part]++
		r := &kgo.Record{Topic: l.topic, Partition: int32(part), Value: loadValue(id, part, number)}
		p.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if err != nil {
				p.errs = append(p.errs, err)
				return
			}
			p.offsets[part][number] = r.Offset
			l.acked.Add(1)
		})
		if i%20 == 0 { // some 20 MB/s in all, so that there is something to recover, and not too much
			time.Sleep(time.Millisecond)
		}
	}
}

// loadValue is a record's value: who sent it, its number, 100 to 800 bytes that follow from both, and their checksum.
func loadValue(id, part int, number int64) []byte {
	rng := rand.New(rand.NewPCG(uint64(id)<<32|uint64(part), uint64(number)))
	v := make([]byte, 16, 1000)
	enc.BigEndian.PutUint32(v, uint32(id))
	enc.BigEndian.PutUint64(v[8:], uint64(number))
	for n := 100 + rng.IntN(700); len(v) < n; {
		v = enc.BigEndian.AppendUint64(v, rng.Uint64())
	}
	return enc.BigEndian.AppendUint32(v, crc32.ChecksumIEEE(v))
}

// moves waits until more is acknowledged.
func (l *load) moves() {
	l.t.Helper()
	from := l.acked.Load()
	for range 3000 {
		if l.acked.Load() > from {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	for id, p := range l.producers {
		p.mu.Lock()
		l.t.Logf("producer %d: %d errors, %v", id, len(p.errs), p.errs[:min(3, len(p.errs))])
		p.mu.Unlock()
	}
	l.t.Fatal("nothing was acknowledged for 15 s")
}

// stop ends the sending. With flush, everything sent must be acknowledged.
func (l *load) stop(flush bool) {
	l.t.Helper()
	l.stopping.Store(true)
	if !flush { // a producer may be waiting for room in its buffer, which never comes
		for _, p := range l.producers {
			p.client.Close()
		}
	}
	l.sending.Wait()
	for id, p := range l.producers {
		if !flush {
			continue
		}
		if err := p.client.Flush(deadline(l.t, 30*time.Second)); err != nil {
			l.t.Fatalf("producer %d: %v", id, err)
		}
		p.client.Close()
		if len(p.errs) > 0 {
			l.t.Errorf("producer %d: %d errors, first: %v", id, len(p.errs), p.errs[0])
		}
	}
}

// check reads everything: each producer's records lie in each partition in order, once, with their bytes, and where acknowledgements said. All of
// them if complete; else at least what was acknowledged.
func (l *load) check(n *node, complete bool) {
	l.t.Helper()
	next := make([][partitions]int64, len(l.producers))
	found := int64(0)
	for part, end := range l.ends(n) {
		if end == 0 {
			continue
		}
		c := client(l.t, n, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: {int32(part): kgo.NewOffset().AtStart()}}))
		ctx := deadline(l.t, time.Minute)
		for at := int64(0); at < end; {
			fetches := c.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				l.t.Fatalf("partition %d at %d: %v", part, at, err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if d := l.judge(r, at, next); d != "" {
					l.t.Fatalf("partition %d offset %d: %s", part, r.Offset, d)
				}
				at++
				found++
			})
		}
		c.Close()
	}
	for id, p := range l.producers {
		for part := range p.offsets {
			if acked := int64(len(p.offsets[part])); next[id][part] < acked || complete && next[id][part] != p.sent[part] {
				l.t.Errorf("producer %d partition %d: %d sent, %d acknowledged, %d found", id, part, p.sent[part], acked, next[id][part])
			}
		}
	}
	l.t.Logf("%d records acknowledged, %d found, each once and in order", l.acked.Load(), found)
}

// judge says what is wrong with a record, given how far each producer has come in each partition.
func (l *load) judge(r *kgo.Record, at int64, next [][partitions]int64) string {
	if r.Offset != at {
		return fmt.Sprintf("after offset %d", at-1)
	}
	if len(r.Value) < 20 {
		return fmt.Sprintf("a value of %d bytes", len(r.Value))
	}
	id, number := int(enc.BigEndian.Uint32(r.Value)), int64(enc.BigEndian.Uint64(r.Value[8:]))
	if id >= len(l.producers) {
		return fmt.Sprintf("of producer %d", id)
	}
	if want := next[id][r.Partition]; number != want {
		return fmt.Sprintf("producer %d's record %d stands where %d should", id, number, want)
	}
	next[id][r.Partition]++
	if string(r.Value) != string(loadValue(id, int(r.Partition), number)) {
		return fmt.Sprintf("producer %d's record %d has other bytes", id, number)
	}
	if offset, ok := l.producers[id].offsets[r.Partition][number]; ok && offset != r.Offset {
		return fmt.Sprintf("producer %d's record %d was acknowledged at %d", id, number, offset)
	}
	return ""
}

// ends asks for the ends of the partitions.
func (l *load) ends(n *node) (ends [partitions]int64) {
	l.t.Helper()
	c := client(l.t, n)
	defer c.Close()
	listed := listEnds(l.t, c, l.topic)
	for part := range ends {
		o, ok := listed.Lookup(l.topic, int32(part))
		if !ok || o.Err != nil {
			l.t.Fatalf("the end of partition %d: %v", part, o.Err)
		}
		ends[part] = o.Offset
	}
	return ends
}
