package runtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

const (
	powerTopic      = "survivors"
	powerPartitions = 3
)

// Twenty times the power goes off in the middle of a load, and now and then while the node starts again. What was acknowledged is there afterwards: at
// its offset, in order, and of idempotent producers exactly once.
func TestPowerOff(t *testing.T) {
	w := newPowerWorld(t, newPowerDisk(), 1)
	for round := range 20 {
		if err := w.round(round); err != nil {
			t.Fatalf("power-off %d: %v", round, err)
		}
	}
	t.Logf("%d records acknowledged, %d starts failed for want of power", w.acked(), w.failedStarts)
	if w.acked() < 200 {
		t.Errorf("only %d records were acknowledged: the test shows little", w.acked())
	}
}

// The check above can fail: it finds a disk that says it has synced and has not.
func TestPowerOffFindsALyingDisk(t *testing.T) {
	disk := newPowerDisk()
	w := newPowerWorld(t, disk, 2)
	if err := w.round(0); err != nil {
		t.Fatal(err)
	}
	disk.mu.Lock() // goroutines of the node that was killed may be about still
	disk.lies = powerTopic
	disk.mu.Unlock()
	for round := range 20 {
		if err := w.round(round); err != nil {
			t.Logf("found at power-off %d: %v", round+1, err)
			return
		}
	}
	t.Error("twenty power-offs on a disk that syncs nothing, and nothing was missed")
}

// powerWorld is a disk, the producers that load its nodes, and what they know.
type powerWorld struct {
	t            *testing.T
	disk         *powerDisk
	rng          *rand.Rand
	producers    []*loader
	checks       loader // writes a mark at each partition's end
	failedStarts int
	events       string
}

func newPowerWorld(t *testing.T, disk *powerDisk, seed uint64) *powerWorld {
	w := &powerWorld{t: t, disk: disk, rng: rand.New(rand.NewPCG(seed, 0)), events: filepath.Join(t.TempDir(), "events")}
	for i, kind := range []loader{{acks: -1, idempotent: true}, {acks: -1, idempotent: true}, {acks: -1}, {acks: 1}, {acks: 1}, {acks: -1, idempotent: true}} {
		p := kind
		p.name, p.partition, p.inFlight = "p"+strconv.Itoa(i), int32(i%powerPartitions), 1+i%5
		p.rng = rand.New(rand.NewPCG(seed, uint64(i+1)))
		p.known, p.id = map[record.Offset]string{}, record.NoProducer
		w.producers = append(w.producers, &p)
	}
	return w
}

func (w *powerWorld) acked() int {
	sum := 0
	for _, p := range w.producers {
		sum += len(p.known)
	}
	return sum
}

// round starts a node, checks what it has, loads it until the power goes off, and restores the power.
func (w *powerWorld) round(round int) error {
	n, err := w.start(round%3 == 1)
	if err != nil {
		return err
	}
	defer w.disk.restore(w.rng.IntN)
	defer n.Kill()
	if err := w.check(n, round == 0); err != nil {
		return fmt.Errorf("after the start: %w", err)
	}
	w.disk.offAfter(50 + w.rng.IntN(600))
	var group sync.WaitGroup
	errs := make([]error, len(w.producers))
	for i, p := range w.producers {
		group.Go(func() { errs[i] = p.load(n) })
	}
	select {
	case <-w.disk.gone:
	case <-time.After(10 * time.Second):
		n.Kill()
		group.Wait()
		return fmt.Errorf("the load stands still: %w", errors.Join(errs...))
	}
	n.Kill()
	group.Wait()
	return errors.Join(errs...)
}

// start starts a node; interrupted: the power goes off while it does.
func (w *powerWorld) start(interrupted bool) (*Node, error) {
	s := setup{fs: w.disk.mount(), set: []string{"log.segment.bytes=16384"}, events: w.events}
	if interrupted {
		w.disk.offAfter(1 + w.rng.IntN(80))
		n, err := s.start()
		if err == nil {
			n.Kill()
		} else if !strings.Contains(err.Error(), errOff.Error()) {
			return nil, fmt.Errorf("start: %w", err)
		} else {
			w.failedStarts++
		}
		w.disk.restore(w.rng.IntN)
		s.fs = w.disk.mount()
	}
	n, err := s.start()
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	return n, nil
}

// check reads everything and holds it against what the producers know.
func (w *powerWorld) check(n *Node, first bool) error {
	c, err := dial(n)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	if first {
		if err := c.createTopic(powerTopic, powerPartitions); err != nil && !strings.Contains(err.Error(), "EXISTS") {
			return err
		}
	}
	for partition := range int32(powerPartitions) {
		resp, err := c.ask(produceOf(powerTopic, partition, -1, batchOf("mark")))
		if err != nil {
			return err
		}
		end, code := producedAt(resp)
		if code != errcode.None {
			return fmt.Errorf("partition %d takes no record: %v", partition, code)
		}
		values, err := c.readTo(powerTopic, partition, end+1)
		if err != nil {
			return err
		}
		for _, p := range w.producers {
			if p.partition == partition {
				if err := p.check(values); err != nil {
					return fmt.Errorf("partition %d with %d records, producer %s: %w", partition, len(values), p.name, err)
				}
			}
		}
	}
	return nil
}

// loader produces records name-0, name-1, … to one partition and keeps what it knows of them. An idempotent one sends again what has no answer; another
// goes on with the next record.
type loader struct {
	name       string
	partition  int32
	acks       int16
	idempotent bool
	inFlight   int
	rng        *rand.Rand

	id    record.ProducerID
	epoch int16
	next  int                      // number of the next record
	queue []sentBatch              // without an answer
	known map[record.Offset]string // acknowledged
}

type sentBatch struct {
	data  []byte
	first int // number of its first record
	count int
}

// load produces until the connection ends or the node refuses. An error is a refusal that no power-off explains.
func (p *loader) load(n *Node) error {
	c, err := dial(n)
	if err != nil {
		return nil
	}
	defer c.nc.Close()
	if p.idempotent && p.id < 0 {
		if done, err := p.initID(c); !done {
			return err
		}
	}
	if !p.idempotent {
		p.queue = nil
	}
	for sent := 0; ; {
		for ; sent < p.inFlight; sent++ {
			if sent == len(p.queue) {
				p.queue = append(p.queue, p.newBatch())
			}
			if c.send(produceOf(powerTopic, p.partition, p.acks, p.queue[sent].data)) != nil {
				return nil
			}
		}
		resp, err := c.receive()
		if err != nil {
			return nil
		}
		base, code := producedAt(resp)
		switch code {
		case errcode.None:
		case errcode.KafkaStorageError:
			return nil
		default:
			return fmt.Errorf("producer %s: record %d: %v", p.name, p.queue[0].first, code)
		}
		for i := range p.queue[0].count {
			p.known[base+record.Offset(i)] = p.value(p.queue[0].first + i)
		}
		p.queue = p.queue[1:]
		sent--
	}
}

func (p *loader) initID(c *client) (bool, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	resp, err := c.ask(req)
	if err != nil {
		return false, nil
	}
	init := resp.(*kmsg.InitProducerIDResponse)
	p.id, p.epoch = record.ProducerID(init.ProducerID), init.ProducerEpoch
	return init.ErrorCode == 0, nil
}

func (p *loader) newBatch() sentBatch {
	b := sentBatch{first: p.next, count: 1 + p.rng.IntN(3)}
	var values []string
	for range b.count {
		values = append(values, p.value(p.next))
		p.next++
	}
	b.data = batchOf(values...)
	if p.idempotent {
		record.SetProducer(b.data, p.id, p.epoch, int32(b.first))
	}
	return b
}

// value is the record of a number: of any length, the same each time.
func (p *loader) value(number int) string {
	return p.name + "-" + strconv.Itoa(number) + "-" + strings.Repeat("x", number*131%900)
}

// check holds a partition's records against what is known.
func (p *loader) check(values []string) error {
	for offset, value := range p.known {
		switch {
		case offset >= record.Offset(len(values)):
			return fmt.Errorf("record %.12s was acknowledged at %d and is not there", value, offset)
		case values[offset] != value:
			return fmt.Errorf("record %.12s was acknowledged at %d, where %.12s is", value, offset, values[offset])
		}
	}
	last := -1
	for offset, value := range values {
		rest, mine := strings.CutPrefix(value, p.name+"-")
		if !mine {
			continue
		}
		digits, _, _ := strings.Cut(rest, "-")
		number, err := strconv.Atoi(digits)
		if err != nil || value != p.value(number) {
			return fmt.Errorf("offset %d holds %.20q, which nobody wrote", offset, value)
		}
		if number <= last || (p.idempotent && number != last+1) {
			return fmt.Errorf("record %d at %d follows record %d", number, offset, last)
		}
		last = number
	}
	return nil
}
