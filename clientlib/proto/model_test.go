package proto

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/errcode"
	"odradek/core/record"
)

// play is a client, a cluster, and all that may happen between them.
type play struct {
	t     rapid.TB
	c     *Client
	p     *Producer
	k     *Consumer
	f     *fakeCluster
	now   int64
	links []LinkID // in the order in which they were made
	sent  map[uint64]string
	order [][]string // by partition asked for: values in the order of Send
	ended map[uint64]Delivery
	next  []record.Offset // of the consumer
	moved []Moved
}

func (y *play) take() {
	fx := y.c.Take()
	for _, id := range fx.Close {
		delete(y.f.links, id)
		y.links = slices.DeleteFunc(y.links, func(other LinkID) bool { return other == id })
	}
	for _, d := range fx.Dial {
		y.f.dial(d)
		y.links = append(y.links, d.Link)
	}
	for _, w := range fx.Write {
		if l := y.f.links[w.Link]; l != nil {
			l.write(w.Bytes)
		}
	}
	for _, d := range fx.Delivered {
		for i, id := range d.IDs {
			if _, twice := y.ended[id]; twice {
				y.t.Fatalf("record %d is delivered twice", id)
			}
			one := d
			if one.Offset >= 0 {
				one.Offset += record.Offset(i)
			}
			y.ended[id] = one
		}
	}
	y.moved = append(y.moved, fx.Moved...)
	if y.p.Buffered() > y.p.cfg.BufferMemory || y.p.Buffered() < 0 {
		y.t.Fatalf("%d bytes are buffered of %d", y.p.Buffered(), y.p.cfg.BufferMemory)
	}
}

// send gives one record to a partition.
func (y *play) send(partition int32, size int) {
	id := uint64(len(y.sent) + 1)
	value := fmt.Sprintf("%d", id)
	m := Message{Value: append([]byte(value), make([]byte, size)...), Timestamp: 1}
	_, err := y.p.Send(y.c, y.now, id, y.f.topic, partition, &m)
	switch {
	case errors.Is(err, ErrFull):
		return
	case err != nil:
		y.t.Fatal(err)
	}
	y.sent[id] = string(m.Value)
	y.order[partition] = append(y.order[partition], string(m.Value))
	y.take()
}

// step does what can be done on a link: open it, serve a request, bring part of an answer.
func (y *play) step(id LinkID, piece int) bool {
	l := y.f.links[id]
	switch {
	case l == nil:
		return false
	case !l.open:
		l.open = true
		y.c.Opened(y.now, id)
	case len(l.answers) > 0:
		n := min(piece, len(l.answers))
		bytes := l.answers[:n]
		l.answers = l.answers[n:]
		y.c.Received(y.now, id, bytes)
	case len(l.requests) > 0:
		y.f.serve(l)
	default:
		return false
	}
	y.take()
	return true
}

// cut breaks a link; requests that had come are carried out, or not, and nobody hears of it.
func (y *play) cut(id LinkID, carriedOut bool) {
	l := y.f.links[id]
	for carriedOut && len(l.requests) > 0 {
		y.f.serve(l)
	}
	delete(y.f.links, id)
	y.links = slices.DeleteFunc(y.links, func(other LinkID) bool { return other == id })
	y.c.Lost(y.now, id, errors.New("cut"))
	y.take()
}

func (y *play) wait(d int64) {
	y.now += d
	y.c.Tick(y.now)
	y.take()
}

// read takes what the consumer has, and demands that it follows what was read before.
func (y *play) read() {
	for chunk := y.k.Take(y.c, y.now); chunk != nil; chunk = y.k.Take(y.c, y.now) {
		if chunk.Err != nil {
			for _, b := range y.f.parts[chunk.Partition].log {
				y.t.Logf("log base %d n %d epoch %d", b.base, len(b.values), b.epoch)
			}
			y.t.Fatal(chunk.Err)
		}
		records, err := chunk.Records(nil, nil)
		if err != nil {
			y.t.Fatal(err)
		}
		for _, r := range records {
			at := &y.next[chunk.Partition]
			if r.Offset != *at {
				y.t.Fatalf("partition %d: offset %d was read, want %d", chunk.Partition, r.Offset, *at)
			}
			*at++
			if want := y.f.value(chunk.Partition, r.Offset); string(r.Value) != want {
				y.t.Fatalf("partition %d offset %d is %.20q, want %.20q", chunk.Partition, r.Offset, r.Value, want)
			}
		}
		if position, _, _ := y.k.Position(chunk.Topic, chunk.Partition); position != y.next[chunk.Partition] {
			y.t.Fatalf("partition %d: the position is %d, read was up to %d", chunk.Partition, position, y.next[chunk.Partition])
		}
	}
	y.take()
}

func (f *fakeCluster) value(partition int32, offset record.Offset) string {
	for _, b := range f.parts[partition].log {
		if int64(offset) >= b.base && int64(offset) < b.base+int64(len(b.values)) {
			return b.values[int64(offset)-b.base]
		}
	}
	return ""
}

// refusals are what a broker may answer a batch with: without appending it, but for NOT_ENOUGH_REPLICAS_AFTER_APPEND.
var refusals = []errcode.Code{errcode.None, errcode.NotEnoughReplicas, errcode.NotEnoughReplicasAppend, errcode.NotEnoughReplicasAppend, errcode.RequestTimedOut, errcode.KafkaStorageError, errcode.MessageTooLarge, errcode.InvalidRecord, errcode.UnknownTopicOrPartition}

// act does one thing that is drawn.
func (y *play) act(t *rapid.T) {
	link := func() (LinkID, bool) {
		if len(y.links) == 0 {
			return 0, false
		}
		return rapid.SampledFrom(y.links).Draw(t, "link"), true
	}
	switch rapid.IntRange(0, 16).Draw(t, "act") {
	case 0, 1, 2, 3:
		partition := rapid.Int32Range(0, int32(len(y.f.parts))-1).Draw(t, "partition")
		for range rapid.IntRange(1, 6).Draw(t, "records") {
			y.send(partition, rapid.IntRange(0, 60).Draw(t, "size"))
		}
	case 4, 5, 6, 7, 8, 9:
		if id, ok := link(); ok {
			for range rapid.IntRange(1, 4).Draw(t, "steps") {
				y.step(id, rapid.SampledFrom([]int{3, 50, 1 << 20}).Draw(t, "piece"))
			}
		}
	case 10:
		if id, ok := link(); ok {
			y.cut(id, rapid.Bool().Draw(t, "carried out"))
		}
	case 11, 12:
		y.wait(rapid.SampledFrom([]int64{millisecond, 20 * millisecond, 200 * millisecond, 2 * second}).Draw(t, "time"))
	case 13:
		y.f.refuse = append(y.f.refuse, rapid.SampledFrom(refusals).Draw(t, "refusal"))
	case 14:
		p := y.f.parts[rapid.IntRange(0, len(y.f.parts)-1).Draw(t, "moved")]
		p.leader, p.epoch = (p.leader+1)%y.f.brokers, p.epoch+1
	case 15:
		y.p.Flush(y.c, y.now)
		y.take()
	case 16:
		partition := rapid.IntRange(0, len(y.f.parts)-1).Draw(t, "sought")
		y.next[partition] = record.Offset(rapid.Int64Range(0, y.f.parts[partition].end).Draw(t, "offset"))
		y.k.Seek(y.c, y.now, y.f.topic, int32(partition), At(y.next[partition]))
		y.take()
	}
	y.read()
}

// heal has everything go well until nothing is left to do, within a bound.
func (y *play) heal() {
	y.f.refuse = nil
	for range 20_000 {
		for _, id := range slices.Clone(y.links) {
			y.step(id, 1<<20)
		}
		y.read()
		if y.p.Buffered() == 0 && y.readAll() {
			return
		}
		y.wait(millisecond)
	}
	y.t.Fatalf("%d bytes are still buffered, %v were read", y.p.Buffered(), y.next)
}

func (y *play) readAll() bool {
	for i, p := range y.f.parts {
		if int64(y.next[i]) < p.end {
			return false
		}
	}
	return true
}

// judge holds what the client said against the logs.
func (y *play) judge(idempotent, ordered bool) {
	times := map[string]int{}
	for i, p := range y.f.parts {
		var log []string
		for _, b := range p.log {
			log = append(log, b.values...)
		}
		var first []string
		for _, v := range log {
			if times[v]++; times[v] == 1 {
				first = append(first, v)
			}
		}
		if ordered { // what is in the log came there in the order of Send; of what is there twice the first counts
			at := 0
			for _, v := range first {
				for at < len(y.order[i]) && y.order[i][at] != v {
					at++
				}
				if at++; at > len(y.order[i]) {
					y.t.Fatalf("partition %d holds %.10q out of the order of Send", i, v)
				}
			}
		}
	}
	for id, value := range y.sent { // any order: each by itself
		d, ok := y.ended[id]
		n := times[value]
		switch {
		case !ok:
			y.t.Fatalf("nothing was said of record %d", id)
		case d.Err == nil && n == 0:
			y.t.Fatalf("record %d was acknowledged and is not in the log", id)
		case d.Err != nil && !d.Undecided && n > 0:
			y.t.Fatalf("record %d was refused (%v) and is in the log", id, d.Err)
		case idempotent && n > 1:
			y.t.Fatalf("record %d is in the log %d times", id, n)
		case idempotent && d.Err == nil && d.Offset >= 0 && y.f.value(d.Partition, d.Offset) != value:
			y.t.Fatalf("record %d is said to have offset %d of partition %d", id, d.Offset, d.Partition)
		}
	}
}

// TestAgainstModel: whatever a cluster answers and a network loses, each record is delivered once; what is acknowledged is in the log, with idempotence once and in
// the order of Send; a consumer meanwhile reads every record once, in order. When all is well again everything is delivered in time.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.Int32Range(1, 3).Draw(t, "partitions")
		brokers := rapid.Int32Range(1, 2).Draw(t, "brokers")
		f := newFakeCluster(brokers, partitions)
		c := NewClient(Config{Bootstrap: []string{f.address(0)}, Seed: rapid.Uint64().Draw(t, "seed"), RequestTimeout: 3 * second})
		cfg := ProducerConfig{NotIdempotent: rapid.IntRange(0, 3).Draw(t, "kind") == 0, BatchSize: rapid.SampledFrom([]int{120, 300, 2000}).Draw(t, "batch"),
			InFlight: rapid.IntRange(1, 5).Draw(t, "in flight"), Linger: rapid.SampledFrom([]int64{-1, 5 * millisecond}).Draw(t, "linger"),
			BufferMemory: rapid.SampledFrom([]int64{1500, 1 << 20}).Draw(t, "memory"), DeliveryTimeout: rapid.SampledFrom([]int64{5 * second, 3600 * second}).Draw(t, "delivery")}
		y := &play{t: t, c: c, f: f, sent: map[uint64]string{}, order: make([][]string, partitions), ended: map[uint64]Delivery{}, next: make([]record.Offset, partitions)}
		y.p, y.k = c.NewProducer(cfg), c.NewConsumer(ConsumerConfig{PartitionMaxBytes: rapid.SampledFrom([]int32{100, 1 << 20}).Draw(t, "fetch")})
		for i := range partitions {
			y.k.Assign(c, 0, f.topic, i, Earliest())
		}
		y.take()
		for range rapid.IntRange(10, 120).Draw(t, "acts") {
			y.act(t)
		}
		y.heal()
		y.judge(!cfg.NotIdempotent, !cfg.NotIdempotent || cfg.InFlight == 1)
	})
}
