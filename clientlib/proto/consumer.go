package proto

import (
	"cmp"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// ConsumerConfig is what a Consumer is made from. Zero values stand for the defaults in brackets, which are Kafka's of the same name.
type ConsumerConfig struct {
	MinBytes          int32 // fetch.min.bytes [1]
	MaxBytes          int32 // fetch.max.bytes: of one answer [50 MiB]
	PartitionMaxBytes int32 // max.partition.fetch.bytes [1 MiB]
	MaxWait           int64 // fetch.max.wait.ms [500 ms]
	Reset             Reset // auto.offset.reset [latest]
	ReadCommitted     bool  // isolation.level=read_committed
	NoSessions        bool  // every Fetch names all partitions, and the broker remembers nothing between them (before KIP-227)
	Rack              string
}

func (cfg ConsumerConfig) withDefaults() ConsumerConfig {
	fill := func(p *int32, v int32) {
		if *p == 0 {
			*p = v
		}
	}
	fill(&cfg.MinBytes, 1)
	fill(&cfg.MaxBytes, 50<<20)
	fill(&cfg.PartitionMaxBytes, 1<<20)
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 500 * millisecond
	}
	return cfg
}

// Reset says what happens when a position is outside the log (auto.offset.reset).
type Reset uint8

// The policies.
const (
	ResetLatest Reset = iota
	ResetEarliest
	ResetNone // an error: the application seeks
)

func (r Reset) String() string { return [...]string{"latest", "earliest", "none"}[r] }

// Start says where reading begins.
type Start struct {
	kind   startKind
	offset record.Offset
	time   record.UnixMillis
}

type startKind uint8

const (
	startDefault startKind = iota
	startOffset
	startTime
	startEnd
)

// Default begins where the reset policy says; with ResetNone at the earliest offset.
func Default() Start { return Start{} }

// At begins at an offset.
func At(offset record.Offset) Start { return Start{kind: startOffset, offset: offset} }

// AtTime begins at the first record whose timestamp is not before t, at the end if there is none.
func AtTime(t record.UnixMillis) Start { return Start{kind: startTime, time: t} }

// Earliest begins at the log start.
func Earliest() Start { return Start{kind: startTime, time: -2} }

// Latest begins at the end; with n above 0 so many offsets before it, at the log start if that is later.
func Latest(n int64) Start { return Start{kind: startEnd, offset: record.Offset(n)} }

// Errors of reading; an *Error wraps them.
var (
	ErrOffsetOutOfRange = errors.New("the position is outside the log")
	ErrTruncated        = errors.New("the log was truncated below the position: records that were read are gone")
)

// Consumer reads assigned partitions.
type Consumer struct {
	cfg      ConsumerConfig
	list     []*inPartition // by topic and partition
	sessions []*fetchSession
	asks     []partitionAsk // offsets asked for
	last     uint64         // of requests
	turn     int            // of partitions, for Take
}

// inPartition is an assigned partition.
type inPartition struct {
	topic     string
	partition int32

	position record.Offset // the next record of the application; NoOffset while it is not known
	next     record.Offset // to fetch
	epoch    record.Epoch  // of the record before next; NoEpoch: unknown
	checked  record.Epoch  // leader epoch for which next was found right
	start    Start         // where to begin while next is NoOffset
	seeks    uint64        // rises with each seek: answers to what was asked before say nothing
	asked    bool          // an offset is asked for
	paused   bool
	ahead    []*Chunk // fetched and not taken
	failed   *Error   // told and waiting for a seek
	outside  bool     // next is outside the log: the policy puts the position elsewhere as soon as what was read ahead is taken

	since     int64
	failures  int
	watermark record.Offset
	logStart  record.Offset
}

// Chunk is batches of one partition as they were fetched. Records decodes them.
type Chunk struct {
	Topic         string
	Partition     int32
	HighWatermark record.Offset
	LogStart      record.Offset
	LastStable    record.Offset // NoOffset: the broker did not say
	Err           error         // the partition cannot be read on: seek
	from, end     record.Offset
	data          []byte
	aborted       []kmsg.FetchResponseTopicPartitionAbortedTransaction
}

// chunksAhead is how many chunks of a partition are read before they are taken: one is taken while the next one comes.
const chunksAhead = 2

// NewConsumer gives the client its consumer. There is one at most.
func (c *Client) NewConsumer(cfg ConsumerConfig) *Consumer {
	k := &Consumer{cfg: cfg.withDefaults()}
	c.parts[ownConsumer] = k
	return k
}

func compareParts(p *inPartition, q *inPartition) int {
	return cmp.Or(cmp.Compare(p.topic, q.topic), cmp.Compare(p.partition, q.partition))
}

func (k *Consumer) find(topic string, partition int32) *inPartition {
	i, ok := slices.BinarySearchFunc(k.list, &inPartition{topic: topic, partition: partition}, compareParts)
	if !ok {
		return nil
	}
	return k.list[i]
}

// Assign adds a partition to those that are read. One that is read already begins anew.
func (k *Consumer) Assign(c *Client, now int64, topic string, partition int32, start Start) {
	p := k.find(topic, partition)
	if p == nil {
		p = &inPartition{topic: topic, partition: partition, position: record.NoOffset, next: record.NoOffset, watermark: record.NoOffset, logStart: record.NoOffset}
		i, _ := slices.BinarySearchFunc(k.list, p, compareParts)
		k.list = slices.Insert(k.list, i, p)
		c.meta.want(topic)
	}
	k.seek(p, start)
	c.run(now)
}

// Unassign takes a partition away.
func (k *Consumer) Unassign(c *Client, now int64, topic string, partition int32) {
	k.list = slices.DeleteFunc(k.list, func(p *inPartition) bool { return p.topic == topic && p.partition == partition })
	c.run(now)
}

// Seek has a partition read from elsewhere. It reports whether the partition is assigned.
func (k *Consumer) Seek(c *Client, now int64, topic string, partition int32, start Start) bool {
	p := k.find(topic, partition)
	if p != nil {
		k.seek(p, start)
		c.run(now)
	}
	return p != nil
}

func (k *Consumer) seek(p *inPartition, start Start) {
	p.seeks++
	p.start, p.next, p.position, p.epoch, p.checked = start, record.NoOffset, record.NoOffset, record.NoEpoch, record.NoEpoch
	p.ahead, p.asked, p.failed, p.outside, p.since, p.failures = nil, false, nil, false, 0, 0
	if start.kind == startOffset {
		p.next, p.position = start.offset, start.offset
	}
}

// Pause stops the reading of a partition, or has it go on. What was read ahead stays.
func (k *Consumer) Pause(c *Client, now int64, topic string, partition int32, paused bool) bool {
	p := k.find(topic, partition)
	if p != nil {
		p.paused = paused
		c.run(now)
	}
	return p != nil
}

// Position is the offset of the next record that Take will give of a partition, and the last known high watermark and log start; NoOffset where they are not known.
func (k *Consumer) Position(topic string, partition int32) (position, highWatermark, logStart record.Offset) {
	p := k.find(topic, partition)
	if p == nil {
		return record.NoOffset, record.NoOffset, record.NoOffset
	}
	return p.position, p.watermark, p.logStart
}

// Take returns the next chunk of a partition that has one, of each in turn; nil if there is none. The partition's position is then its end.
func (k *Consumer) Take(c *Client, now int64) *Chunk {
	for range k.list {
		k.turn = (k.turn + 1) % len(k.list)
		p := k.list[k.turn]
		if p.paused || len(p.ahead) == 0 {
			continue
		}
		chunk := p.ahead[0]
		p.ahead = p.ahead[1:]
		if chunk.Err == nil {
			p.position = chunk.end
		}
		c.run(now)
		return chunk
	}
	return nil
}

// Ready reports whether Take has something.
func (k *Consumer) Ready() bool {
	return slices.ContainsFunc(k.list, func(p *inPartition) bool { return !p.paused && len(p.ahead) > 0 })
}

func (k *Consumer) advance(c *Client) {
	for _, p := range k.list {
		if p.outside && len(p.ahead) == 0 {
			p.outside = false
			p.start, p.next, p.epoch, p.checked = Start{}, record.NoOffset, record.NoEpoch, record.NoEpoch
		}
		if c.now >= p.since && !p.asked && p.failed == nil && !p.outside {
			k.settle(c, p)
		}
	}
	k.fetch(c)
}

func (k *Consumer) deadline(c *Client) (at int64, ok bool) {
	soonest := func(t int64) {
		if t > c.now && (!ok || t < at) {
			at, ok = t, true
		}
	}
	for _, p := range k.list {
		soonest(p.since)
	}
	for _, s := range k.sessions {
		soonest(s.since)
	}
	return at, ok
}

func (k *Consumer) answered(c *Client, from *peer, a *reply) {
	if resp, ok := a.resp.(*kmsg.FetchResponse); ok {
		k.fetched(c, from, a.tag.id, resp)
		return
	}
	if p := k.takeAsk(a.tag.id); p != nil {
		switch resp := a.resp.(type) {
		case *kmsg.ListOffsetsResponse:
			k.listed(c, p, resp)
		case *kmsg.OffsetForLeaderEpochResponse:
			k.epochEnds(c, p, resp)
		}
	}
}

func (k *Consumer) lost(c *Client, at *peer, t tag, req kmsg.Request, _ error) {
	if _, ok := req.(*kmsg.FetchRequest); ok {
		k.sessions = slices.DeleteFunc(k.sessions, func(s *fetchSession) bool { return s.at == at })
	} else if p := k.takeAsk(t.id); p != nil {
		k.again(c, p)
	}
}

// again puts a partition off.
func (k *Consumer) again(c *Client, p *inPartition) {
	p.failures++
	p.since = c.now + c.backoff(c.cfg.RetryBackoff, c.cfg.RetryBackoffMax, p.failures)
}

// refused takes an error code of a partition: it is asked again, or told to the application.
func (k *Consumer) refused(c *Client, p *inPartition, op string, code errcode.Code) {
	if mayPass(code) {
		c.meta.stale = true
		k.again(c, p)
		return
	}
	k.fail(p, &Error{Op: op, Topic: p.topic, Partition: p.partition, Code: code})
}

// fail tells the application that a partition cannot be read on.
func (k *Consumer) fail(p *inPartition, err *Error) {
	p.failed = err
	p.ahead = append(p.ahead, &Chunk{Topic: p.topic, Partition: p.partition, HighWatermark: p.watermark, LogStart: p.logStart, Err: err})
}
