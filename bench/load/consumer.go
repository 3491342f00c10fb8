package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/core/errcode"
	"odradek/core/record"
)

// Consumer reads a topic while it is written and takes the time from when a record was due to when it is here. One goroutine for each broker.
type Consumer struct {
	cfg     Config
	codec   record.CodecID
	seen    atomic.Int64 // batches
	readers []*reader
	errs    chan error
	cancel  context.CancelFunc
}

// reader is one connection.
type reader struct {
	c         *Consumer
	conn      *kafka.Conn
	offsets   map[int32]int64
	histogram *measure.Histogram
	unstamped []sighting
	scratch   []byte // of decompressed records
	from, to  int64
}

// sighting is a batch without a stamp that came.
type sighting struct {
	partition int32
	offset    record.Offset
	at        int64
}

const (
	fetchWait = 100 * time.Millisecond
	fetchMost = 4 << 20
	seenMax   = 10 * time.Second
	// scratchSize holds the records of the largest batch that a cell makes.
	scratchSize = 2 << 20
)

// Consume starts to read the topic from its start. What is due in the measured time of a load that begins at start is counted.
func Consume(cfg Config, start int64) (*Consumer, error) {
	id, err := cell.CodecID(cfg.Cell.Codec)
	if err != nil {
		return nil, err
	}
	c := &Consumer{cfg: cfg, codec: id}
	at := map[string]*reader{}
	for p, address := range cfg.Leaders {
		r := at[address]
		if r == nil {
			conn, err := kafka.Dial(address, drainMax)
			if err != nil {
				return nil, err
			}
			from := start + int64(cfg.Warmup)
			r = &reader{c: c, conn: conn, offsets: map[int32]int64{}, histogram: measure.NewHistogram(),
				scratch: make([]byte, 0, scratchSize), from: from, to: from + int64(cfg.Length)}
			at[address], c.readers = r, append(c.readers, r)
		}
		r.offsets[int32(p)] = 0
	}
	c.errs = make(chan error, len(c.readers))
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, r := range c.readers {
		go func() { c.errs <- r.run(ctx) }()
	}
	return c, nil
}

// Finish waits until so many batches were seen, ends the reading, and returns what it took. places are where batches went that carry no stamp.
func (c *Consumer) Finish(batches int64, places []Place) (*measure.Histogram, error) {
	deadline := time.Now().Add(seenMax)
	for c.seen.Load() < batches && time.Now().Before(deadline) && len(c.errs) == 0 {
		time.Sleep(time.Millisecond)
	}
	c.cancel()
	var failures []error
	h := measure.NewHistogram()
	for range c.readers {
		failures = append(failures, <-c.errs)
	}
	due := make(map[[2]int64]int64, len(places))
	for _, p := range places {
		due[[2]int64{int64(p.Partition), int64(p.Offset)}] = p.Due
	}
	for _, r := range c.readers {
		r.conn.Close()
		for _, s := range r.unstamped {
			if d, ok := due[[2]int64{int64(s.partition), int64(s.offset)}]; ok && d >= r.from && d < r.to {
				r.histogram.Record(s.at - d)
			}
		}
		h.Merge(r.histogram)
	}
	if err := errors.Join(failures...); err != nil {
		return h, err
	}
	if seen := c.seen.Load(); seen < batches {
		return h, fmt.Errorf("the consumer has seen %d of %d acknowledged batches after %v", seen, batches, seenMax)
	}
	return h, nil
}

func (r *reader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		resp, err := r.conn.Fetch(r.c.cfg.Topic, r.offsets, fetchWait, fetchMost)
		if err != nil {
			return fmt.Errorf("the consumer: %w", err)
		}
		now := measure.Now()
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if err := r.partition(&resp.Topics[i].Partitions[j], now); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// partition takes in the batches of one partition.
func (r *reader) partition(p *kmsg.FetchResponseTopicPartition, now int64) error {
	if p.ErrorCode != 0 {
		return fmt.Errorf("the consumer: partition %d: %v", p.Partition, errcode.Code(p.ErrorCode))
	}
	for it := record.Batches(p.RecordBatches); it.Next(); {
		b := &it.Batch
		next := int64(b.NextOffset())
		if next <= r.offsets[p.Partition] {
			continue // a fetch from within a batch gets it whole
		}
		r.offsets[p.Partition] = next
		r.c.seen.Add(1)
		if err := r.batch(b, p.Partition, now); err != nil {
			return err
		}
	}
	return nil
}

// batch takes the time of every record in client mode, of the first one in broker mode.
func (r *reader) batch(b *record.Batch, partition int32, now int64) error {
	if r.c.cfg.Cell.Mode == cell.Broker && r.c.codec != record.CodecNone {
		r.unstamped = append(r.unstamped, sighting{partition, b.BaseOffset, now})
		return nil
	}
	it := b.Records(packer, r.scratch)
	for it.Next() {
		if len(it.Record.Value) >= 8 {
			if due := int64(binary.BigEndian.Uint64(it.Record.Value)); due >= r.from && due < r.to {
				r.histogram.Record(now - due)
			}
		}
		if r.c.cfg.Cell.Mode == cell.Broker {
			return nil
		}
	}
	return it.Err()
}
