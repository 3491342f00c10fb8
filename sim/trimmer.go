package sim

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/prng"
	"odradek/core/record"
)

// trimmer deletes records of its client's topic while others produce and read. The topic lives as long as the world, so what was answered must hold over every
// crash: it asks for each start once more when the power has failed for the last time.
type trimmer struct {
	c     *client
	line  *line
	rng   prng.Source
	parts []trimming
	at    int // the partition that the request under way is of
	left  int
	again Time
	busy  bool
	to    *node  // of several: who led the partition that the line is for
	last  []bool // by partition: whether its start was told after the last power loss
}

// drawTrims has one client of one seed in four delete records of its topic.
func drawTrims(o *Options) {
	rng := source(o.Seed, forTrims+0xff)
	if n, who := between(&rng, 3, 20), rng.IntN(len(o.Clients)); rng.IntN(4) == 0 {
		o.Clients[who].Trims = n
	}
	o.Deletes = o.Retains || slices.ContainsFunc(o.Clients, func(c ClientOptions) bool { return c.Trims > 0 })
}

func newTrimmer(c *client) *trimmer {
	t := &trimmer{c: c, rng: source(c.w.opt.Seed, forTrims+purpose(c.id)), left: c.opt.Trims}
	for i := range c.topic.Partitions {
		t.parts = append(t.parts, trimming{topic: c.topic.Name, partition: i, loose: c.w.opt.Retains, replicated: !c.w.alone()})
	}
	t.last = make([]bool, len(t.parts))
	return t
}

func (t *trimmer) poll(now Time) kmsg.Request {
	w := t.c.w
	if t.busy || now < t.again || !t.c.known {
		return nil
	}
	if w.phase == phaseDrain {
		if t.at = slices.Index(t.last, false); t.at < 0 {
			return nil
		}
		if t.again = now + 100*Millisecond; t.elsewhere() {
			return nil
		}
		t.busy = true
		return t.parts[t.at].look()
	}
	if w.phase != phaseSafety || t.left == 0 {
		return nil
	}
	if t.elsewhere() {
		t.again = now + 100*Millisecond
		return nil
	}
	t.left--
	t.busy, t.again = true, now+Time(t.rng.N(uint64(w.opt.Safety)/uint64(t.c.opt.Trims)))
	if w.alone() { // of several it was drawn before: the line leads to its leader
		t.at = t.rng.IntN(len(t.parts))
	}
	p := &t.parts[t.at]
	p.end = w.ledger.part(t.c.opt.Topic, p.partition).ackedEnd
	if t.rng.IntN(6) == 0 {
		return p.delete(toTheWatermark, t.c.opt.TimeoutMs)
	}
	return p.request(&t.rng, t.c.opt.TimeoutMs)
}

func (t *trimmer) answered(_ kmsg.Request, resp kmsg.Response) {
	t.busy = false
	p := &t.parts[t.at]
	switch a := resp.(type) {
	case *kmsg.DeleteRecordsResponse:
		p.deleted(&a.Topics[0].Partitions[0])
	case *kmsg.ListOffsetsResponse:
		told := &a.Topics[0].Partitions[0]
		if found := p.listed(told); found != "" && !t.hurt() {
			t.c.w.fail(Correctness, "start", found)
		}
		t.last[t.at] = t.c.w.phase == phaseDrain && errcode.Code(told.ErrorCode) == errcode.None
	}
	if !t.c.w.alone() {
		t.at = t.rng.IntN(len(t.parts))
	}
}

// elsewhere reports whether the partition is led by a node that the line does not lead to, or by nobody: then the line goes there.
func (t *trimmer) elsewhere() bool {
	w := t.c.w
	if w.alone() {
		return false
	}
	leader, _, ok := w.leads(t.c.topic.Name, t.parts[t.at].partition)
	if !ok || leader == t.line.ch.node {
		return !ok
	}
	t.to = leader
	t.line.to = func() string { return t.to.address(false) }
	t.line.drop("another node leads")
	return true
}

// hurt reports whether damage has hit the partition: its log may begin behind what was hit.
func (t *trimmer) hurt() bool {
	return len(t.c.w.ledger.part(t.c.opt.Topic, t.parts[t.at].partition).hurts) > 0
}

func (t *trimmer) lost() { t.busy = false }

func (t *trimmer) deadline(now Time) (Time, bool) { return t.again, t.again > now }

func (t *trimmer) unfinished() string {
	if i := slices.Index(t.last, false); i >= 0 {
		return fmt.Sprintf("nobody says where %s-%d begins", t.c.topic.Name, i)
	}
	return ""
}

// trimmed is below which offset clients have asked for the records of a partition to be deleted.
func (w *World) trimmed(topic string, partition int32) (below record.Offset) {
	for _, c := range w.clients {
		for _, l := range c.lines {
			if t, ok := l.talk.(*trimmer); ok && c.topic.Name == topic && int(partition) < len(t.parts) {
				below = max(below, t.parts[partition].asked)
			}
		}
	}
	return below
}
