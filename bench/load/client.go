package load

import (
	"time"

	"odradek/clientlib/proto"
	"odradek/core/record"
)

// client gathers records into batches as Kafka's producer does: one open batch for each producer and partition; it may be sent when it is full, or when
// linger has passed since its first record; while the connection has no room it goes on taking records. Records without a key go to one partition until
// its batch is full or sent, then to the next; with a key, by Kafka's hash of it.
type client struct {
	l        *loop
	open     [][]*gather // by producer and partition; nil: none
	sticky   []int32     // of each producer
	lingers  fifo[linger]
	spare    []*gather
	index    int   // of records
	wallBase int64 // what to add to the monotonic clock for wall time
}

// linger is when a batch may be sent although it is not full.
type linger struct {
	at  int64
	g   *gather
	gen int
	k   *link
}

func newClient(l *loop, producers int) *client {
	c := &client{l: l, sticky: make([]int32, producers)}
	for p := range producers {
		c.open = append(c.open, make([]*gather, len(l.cfg.Leaders)))
		c.sticky[p] = int32(p % len(l.cfg.Leaders))
	}
	return c
}

// wall is the time in records. It is not what latency is measured by.
func wall() record.UnixMillis { return record.UnixMillis(time.Now().UnixMilli()) }

// take puts one record where it belongs. Producers take turns.
func (c *client) take(due int64) {
	producer := c.index % len(c.open)
	c.put(producer, due)
}

func (c *client) put(producer int, due int64) {
	key, value := c.l.made.record(c.index, c.l.cfg.Cell.Keys)
	c.index++
	partition := c.sticky[producer]
	if key != nil {
		partition = proto.KeyPartition(key, int32(len(c.l.cfg.Leaders)))
	}
	k := c.l.byBroker[producer][partition]
	g := c.open[producer][partition]
	if g != nil && !g.fits(len(key)+len(value), c.l.cfg.Cell.Batch) {
		c.ready(k, g)
		c.leave(producer, g)
		if key == nil {
			partition = c.sticky[producer]
			k, g = c.l.byBroker[producer][partition], c.open[producer][partition]
		} else {
			g = nil
		}
	}
	if g == nil {
		g = c.gather(partition, due)
		c.open[producer][partition] = g
		c.lingers.push(linger{due + int64(c.l.cfg.Cell.Linger), g, g.generation, k})
	}
	g.put(wall(), due, key, value)
	if c.l.cfg.Cell.Batch == 0 {
		c.ready(k, g)
		c.leave(producer, g)
	}
}

// leave closes a batch for further records.
func (c *client) leave(producer int, g *gather) {
	if c.open[producer][g.partition] == g {
		c.open[producer][g.partition] = nil
		if g.partition == c.sticky[producer] {
			c.sticky[producer] = (g.partition + 1) % int32(len(c.l.cfg.Leaders))
		}
	}
}

// ready lets a batch be sent. It may still take records until it is.
func (c *client) ready(k *link, g *gather) {
	if g.queued {
		return
	}
	g.queued = true
	k.ready.push(unit{due: g.due[0], partition: g.partition, gather: g, gen: g.generation})
	c.l.waiting++
}

// expire makes batches ready whose linger has passed.
func (c *client) expire(now int64) {
	for c.lingers.len() > 0 && c.lingers.first().at <= now {
		e := c.lingers.pop()
		if e.g.generation == e.gen {
			c.ready(e.k, e.g)
		}
	}
}

// expiry is when the next linger passes.
func (c *client) expiry() int64 {
	for c.lingers.len() > 0 {
		e := c.lingers.first()
		if e.g.generation == e.gen && !e.g.queued {
			return e.at
		}
		c.lingers.pop()
	}
	return 1 << 62
}

// fill makes a whole batch at once, for a run without a schedule.
func (c *client) fill(k *link, now int64) {
	for k.ready.len() == 0 {
		c.put(k.producer, now)
	}
}

// build closes a batch and compresses it.
func (c *client) build(g *gather) (record.Batch, error) {
	for producer := range c.open {
		if c.open[producer][g.partition] == g {
			c.leave(producer, g)
		}
	}
	return g.builder.Build(packer)
}

func (c *client) gather(partition int32, born int64) *gather {
	var g *gather
	if n := len(c.spare); n > 0 {
		g, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		g = new(gather)
	}
	g.reset(c.l.made.id, partition, born)
	return g
}

func (c *client) free(g *gather) {
	g.generation++ // its linger, if it is still in the queue, means nothing any more
	c.spare = append(c.spare, g)
}
