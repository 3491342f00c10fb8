package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/core/errcode"
	"odradek/core/record"
)

// loop is one thread of the generator with its connections.
type loop struct {
	cfg      *Config
	made     *prepared
	result   Result
	poller   *poller
	links    []*link
	byBroker [][]*link // of each producer of this worker, by partition
	heads    [][]byte  // of each partition's requests
	schedule *Schedule // nil: as fast as acknowledgements allow
	client   *client   // nil in broker mode
	waiting  int       // units that are due and not sent
	flying   int       // requests under way
	turn     int       // of batches, in broker mode
	stopped  bool      // nothing more becomes due
	// The measured time.
	start, from, to, giveUp int64
}

// unit is a batch that may be sent.
type unit struct {
	due       int64
	partition int32
	batch     *encoded
	gather    *gather // of client mode: built when it is sent
	gen       int
}

// flight is a request under way.
type flight struct {
	due, sent int64
	partition int32
	records   int
	values    int
	wire      int
	gather    *gather
}

// link is a producer's connection to one broker.
type link struct {
	*socket
	index    int
	producer int
	parts    []int32 // partitions that this broker leads
	next     int     // of parts
	ready    fifo[unit]
	flights  fifo[flight]
}

func newLoop(cfg *Config, made *prepared, worker, workers int) (*loop, error) {
	l := &loop{cfg: cfg, made: made, result: *newResult()}
	var err error
	if l.poller, err = newPoller(); err != nil {
		return nil, err
	}
	for p := range cfg.Leaders {
		l.heads = append(l.heads, kafka.ProduceHead(cfg.Topic, int32(p), cfg.Cell.Acks))
	}
	for producer := worker; producer < cfg.Cell.Producers; producer += workers {
		if err := l.connect(len(l.byBroker)); err != nil {
			l.close()
			return nil, err
		}
	}
	if cfg.Cell.Mode == cell.Client {
		l.client = newClient(l, len(l.byBroker))
	}
	if cfg.Cell.Rate > 0 {
		rate := cfg.Cell.Rate
		if cfg.Cell.Mode == cell.Broker {
			rate /= float64(made.batches[0].records)
		}
		if cfg.Poisson {
			l.schedule = Poisson(0, rate, worker, workers, cfg.Seed)
		} else {
			l.schedule = Fixed(0, rate, worker, workers)
		}
	}
	return l, nil
}

// connect opens a producer's connections, one to each broker that leads a partition.
func (l *loop) connect(producer int) error {
	to := map[string]*link{}
	links := make([]*link, len(l.cfg.Leaders))
	for p, address := range l.cfg.Leaders {
		k := to[address]
		if k == nil {
			s, err := dial(address)
			if err != nil {
				return err
			}
			k = &link{socket: s, index: len(l.links), producer: producer}
			l.links, to[address] = append(l.links, k), k
			if err := l.poller.add(s, k.index); err != nil {
				return err
			}
		}
		k.parts = append(k.parts, int32(p))
		k.next = producer % len(k.parts) // producers begin at different partitions
		links[p] = k
	}
	l.byBroker = append(l.byBroker, links)
	return nil
}

func (l *loop) close() {
	for _, k := range l.links {
		k.close()
	}
	l.poller.close()
}

func (l *loop) begin(start int64) {
	l.start, l.from = start, start+int64(l.cfg.Warmup)
	l.to = l.from + int64(l.cfg.Length)
	l.giveUp = l.to + drain(l.cfg.Length)
	l.result.From, l.result.To = l.from, l.to
	if l.schedule != nil {
		l.schedule.start = start
		l.schedule.place()
	}
}

// spin is how long before a time the thread stops sleeping and looks at the clock: about what waking up takes.
const spin = int64(60 * time.Microsecond)

// run sends and receives until everything due is acknowledged, or the time is up.
func (l *loop) run() error {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // nanoseconds; without it sleeps end 50 µs late
	begun, waited := measure.Now(), measure.ThreadWaited()
	defer func() {
		l.result.Ran, l.result.Waited = measure.Now()-begun, measure.ThreadWaited()-waited
	}()
	for {
		now := measure.Now()
		if !l.stopped && (now >= l.to || l.full()) {
			l.stop(now)
		}
		if l.stopped && l.flying == 0 && l.waiting == 0 && l.written() {
			return nil
		}
		if now >= l.giveUp {
			l.abandon(now)
			return nil
		}
		l.arrive(now)
		for _, k := range l.links {
			if err := l.drive(k, now); err != nil {
				return err
			}
		}
		events, err := l.poller.wait(l.patience())
		if err != nil {
			return err
		}
		for i := range events {
			if err := l.event(l.links[events[i].Fd], events[i].Events); err != nil {
				return err
			}
		}
	}
}

// written reports whether the kernel has taken everything. It matters for acks=0, where nothing else shows it.
func (l *loop) written() bool {
	for _, k := range l.links {
		if !k.idle() {
			return false
		}
	}
	return true
}

// full reports whether a run without a schedule has sent enough.
func (l *loop) full() bool {
	return l.schedule == nil && l.cfg.ValuesMax > 0 && l.result.SinceValues >= l.cfg.ValuesMax/int64(max(l.cfg.Workers, 1))
}

func (l *loop) stop(now int64) {
	l.stopped = true
	if l.schedule == nil {
		l.to = min(l.to, max(now, l.from+1))
		l.result.To = l.to
		l.giveUp = now + drain(l.cfg.Length)
	} else {
		l.arrive(l.to) // what was due before the end and not yet taken up
	}
	if l.client != nil {
		l.client.expire(1 << 62) // nothing waits for its linger any more
	}
}

// arrivals bounds how many slots are taken up before sockets are looked at again.
const arrivals = 4096

// arrive takes up what is due.
func (l *loop) arrive(now int64) {
	if l.schedule != nil {
		limit := min(now, l.to-1)
		for n := 0; l.schedule.Due() <= limit && (n < arrivals || l.stopped); n++ {
			if l.client != nil {
				l.client.take(l.schedule.Due())
			} else {
				l.takeBatch(l.schedule.Due(), l.links[l.turn%len(l.links)])
			}
			l.schedule.Advance()
		}
	}
	if l.client != nil && l.schedule != nil && !l.stopped {
		l.client.expire(now)
	}
}

// takeBatch makes a prepared batch ready on a connection.
func (l *loop) takeBatch(due int64, k *link) {
	b := &l.made.batches[l.turn%len(l.made.batches)]
	l.turn++
	k.ready.push(unit{due: due, partition: k.parts[k.next], batch: b})
	k.next = (k.next + 1) % len(k.parts)
	l.waiting++
}

// drive sends on a connection as much as a producer may have under way.
func (l *loop) drive(k *link, now int64) error {
	if !k.idle() {
		return nil // the poller tells when it takes more
	}
	for n := 0; n < l.cfg.Cell.InFlight && k.flights.len() < l.cfg.Cell.InFlight && k.idle(); n++ {
		if k.ready.len() == 0 {
			if l.schedule != nil || l.stopped || now < l.start {
				break
			}
			if l.client != nil {
				l.client.fill(k, measure.Now())
			} else {
				l.takeBatch(measure.Now(), k)
			}
		}
		if err := l.send(k, k.ready.pop()); err != nil {
			return err
		}
	}
	return l.poller.watch(k.socket, k.index)
}

// send writes one request.
func (l *loop) send(k *link, u unit) error {
	l.waiting--
	f := flight{due: u.due, partition: u.partition, gather: u.gather}
	var data []byte
	if u.gather != nil {
		b, err := l.client.build(u.gather)
		if err != nil {
			return err
		}
		data, f.records, f.values = b.Data, int(b.Count), u.gather.values
	} else {
		if l.schedule != nil {
			u.batch.stamp(u.due)
		}
		data, f.records, f.values = u.batch.data, u.batch.records, u.batch.values
	}
	head := l.heads[u.partition]
	kafka.SetLength(head, len(data))
	f.wire = len(head) + len(data)
	f.sent = measure.Now()
	if err := k.send(head, data); err != nil {
		return err
	}
	if l.cfg.Cell.Acks == 0 { // nothing will be answered: written is all there is to know
		l.acked(&f, measure.Now(), record.NoOffset)
		return nil
	}
	k.flights.push(f)
	l.flying++
	return nil
}

// event reads answers and writes what waits.
func (l *loop) event(k *link, events uint32) error {
	if events&unix.EPOLLOUT != 0 {
		if err := k.flush(); err != nil {
			return err
		}
		if err := l.poller.watch(k.socket, k.index); err != nil {
			return err
		}
	}
	if events&^uint32(unix.EPOLLOUT) == 0 {
		return nil
	}
	err := k.receive(func(frame []byte) error {
		if k.flights.len() == 0 {
			return fmt.Errorf("%w: an answer to no request", kafka.ErrReply)
		}
		f := k.flights.pop()
		l.flying--
		base, code, err := kafka.Produced(frame, l.cfg.Topic)
		if err != nil {
			return err
		}
		if code != errcode.None {
			l.refused(&f, code)
			return nil
		}
		l.acked(&f, measure.Now(), base)
		return nil
	})
	if err != nil {
		return fmt.Errorf("the broker's connection: %w", err)
	}
	return nil
}

// patience is how long the poller may wait for sockets: until shortly before the next thing is due.
func (l *loop) patience() int64 {
	if l.cfg.Cell.Acks == 0 && l.written() && (l.waiting > 0 || l.schedule == nil) {
		return 0 // there is room, and no answer will come to say so
	}
	if l.cfg.Spin && l.flying > 0 {
		return 0
	}
	next := l.to
	if l.stopped {
		next = l.giveUp
	} else if l.schedule != nil {
		next = min(next, l.schedule.Due())
	} else {
		next = min(next, measure.Now()+int64(10*time.Millisecond))
	}
	if l.client != nil && l.schedule != nil && !l.stopped {
		next = min(next, l.client.expiry())
	}
	return max(next-measure.Now()-spin, 0)
}
