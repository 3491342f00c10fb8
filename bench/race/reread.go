package race

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/bench/target"
	"odradek/core/errcode"
	"odradek/core/record"
)

// rereadPartitions is also the number of connections that read.
const rereadPartitions = 4

// fetchMost is what a reader asks for at a time.
const fetchMost = 1 << 20

// reread reads a topic again and again from its start, out of the page cache, a connection for each partition, and holds that against sendfile over loopback with as
// many connections, in the same run.
func reread(batch int) func(context.Context, *Arena, *Cell, Entrant) (Values, error) {
	load := filling(rereadPartitions)
	load.Batch = batch
	return func(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
		return a.staged(ctx, c, e, rereadPartitions, nil, func(s *stage) (Values, error) {
			if err := fill(s.topic, s.leaders, a.Plan.Reread, load); err != nil {
				return nil, err
			}
			sendfile, err := measure.Sendfile(a.Dir, rereadPartitions, fetchMost, a.length(c)/2)
			if err != nil {
				return nil, err
			}
			if _, err := read(s.topic, s.leaders, a.Plan.Warmup, 0); err != nil {
				return nil, err
			}
			values, err := a.reading(c, e, s)
			if err == nil {
				values["sendfile"] = sendfile
			}
			return values, err
		})
	}
}

// reading measures the reading itself, and counts what it costs.
func (a *Arena) reading(c *Cell, e Entrant, s *stage) (Values, error) {
	extents, counted := sent(s.broker)
	before, err := s.broker.Usage()
	if err != nil {
		return nil, err
	}
	profile := beside(func() { a.profiled(s.broker, c, e, a.length(c)) })
	defer profile()
	begun := time.Now()
	n, err := read(s.topic, s.leaders, a.length(c), 0)
	if err != nil {
		return nil, err
	}
	seconds := time.Since(begun).Seconds()
	after, err := s.broker.Usage()
	if err != nil {
		return nil, err
	}
	gb := float64(n) / 1e9
	values := Values{"read": gb * 1e3 / seconds, "read_cpu_per_gb": after.Sub(before).CPU.Seconds() / gb}
	if now, ok := sent(s.broker); ok && counted {
		// Nothing else is fetched meanwhile: what was not sent by the kernel was copied.
		values["copied"] = 100 * float64(now.Large-extents.Large) / max(1, float64(now.Kernel+now.Large-extents.Kernel-extents.Large))
		values["copied_small"] = 100 * float64(now.Small-extents.Small) / float64(n)
	}
	return values, nil
}

// sent reads Odradek's counters of the bytes of files in responses, ok where the broker has them.
func sent(b target.Target) (target.Extents, bool) {
	with, ok := b.(interface {
		Extents() (target.Extents, error)
	})
	if !ok {
		return target.Extents{}, false
	}
	e, err := with.Extents()
	return e, err == nil
}

// read reads each partition from its start by a connection of its own, again and again until the time is over, or until each was read up to an offset, and returns how
// many bytes of batches came.
func read(topic string, leaders []string, length time.Duration, upTo int64) (int64, error) {
	bytes, errs := make([]int64, len(leaders)), make([]error, len(leaders))
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for p, address := range leaders {
		wg.Go(func() { bytes[p], errs[p] = readOne(topic, int32(p), address, end, upTo) })
	}
	wg.Wait()
	var sum int64
	for _, n := range bytes {
		sum += n
	}
	return sum, errors.Join(errs...)
}

const readTimeout = 100 * time.Millisecond

func readOne(topic string, partition int32, address string, end time.Time, upTo int64) (n int64, err error) {
	conn, err := kafka.Dial(address, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for offset := int64(0); time.Now().Before(end); {
		resp, err := conn.Fetch(topic, map[int32]int64{partition: offset}, readTimeout, fetchMost)
		if err != nil {
			return n, err
		}
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != 0 {
			return n, fmt.Errorf("%s %d: %v", topic, partition, errcode.Code(p.ErrorCode))
		}
		n += int64(len(p.RecordBatches))
		for it := record.Batches(p.RecordBatches); it.Next(); {
			offset = int64(it.Batch.NextOffset())
		}
		switch {
		case upTo > 0 && offset >= upTo:
			return n, nil
		case upTo == 0 && offset >= p.HighWatermark:
			offset = 0 // from its start again: waiting at the end is not reading
		}
	}
	return n, nil
}
