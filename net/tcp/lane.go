package tcp

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"odradek/core"
	"odradek/core/record"
	"odradek/net/wire"
)

// LaneConfig is what a Lane is told.
type LaneConfig struct {
	ClientID string
	Limits   wire.PeerLimits
	Frames   *Frames // of answers, which go on with theirs; nil: they have memory of their own
	Now      func() core.Instant
	// Answer takes what ends calls. It may run Steps, and so Call, on this goroutine.
	Answer func([]wire.PeerAnswer)
	// Changed is told when the other node can be reached (reason is empty), and when it cannot. It is called under the lane's lock, in order.
	Changed func(up bool, addr, reason string)
}

// Lane is a node's side of a connection to another one: it moves the bytes of a wire.Peer, which decides everything. While there is a connection it has two
// goroutines: one connects and then reads, the other writes. Call never waits for the network.
type Lane struct {
	cfg  LaneConfig
	idle sync.WaitGroup // of the goroutines

	mu      sync.Mutex
	machine *wire.Peer
	timer   *time.Timer
	armed   core.Instant // what timer is set to; 0: nothing
	link    *link        // nil: none
	stopped bool
}

// link is one connection, or the attempt to make it.
type link struct {
	addr  string
	stop  context.CancelFunc // ends the attempt
	conn  net.Conn           // nil while it is being made
	write chan []byte
}

// NewLane returns a lane that has no connection yet.
func NewLane(cfg LaneConfig) *Lane {
	l := &Lane{cfg: cfg, machine: wire.NewPeer(cfg.ClientID, cfg.Limits, cfg.pool())}
	l.timer = time.AfterFunc(time.Hour, l.timeUp)
	l.timer.Stop()
	return l
}

// pool is nil where there is none: an interface that holds a nil pointer would not be.
func (c *LaneConfig) pool() wire.Pool {
	if c.Frames == nil {
		return nil
	}
	return c.Frames
}

// Call sends a call, in its turn. After Stop it ends at once without an answer.
func (l *Lane) Call(call *core.Call) {
	l.do(func(now core.Instant, fx *wire.PeerEffects) {
		if l.stopped {
			fx.Answers = append(fx.Answers, wire.PeerAnswer{Call: call.ID})
			return
		}
		l.machine.Call(now, call, fx)
	})
}

// Stop ends all calls without an answer and returns when nothing of the lane runs any more.
func (l *Lane) Stop() {
	l.do(func(_ core.Instant, fx *wire.PeerEffects) {
		l.stopped = true
		l.machine.Stop(fx)
	})
	l.idle.Wait()
}

func (l *Lane) timeUp() {
	l.do(func(now core.Instant, fx *wire.PeerEffects) {
		l.armed = 0
		l.machine.Timeout(now, fx)
	})
}

// do lets the machine do something and carries out what it wants; the answers last, and outside the lock.
func (l *Lane) do(step func(now core.Instant, fx *wire.PeerEffects)) {
	var fx wire.PeerEffects
	l.mu.Lock()
	step(l.cfg.Now(), &fx)
	l.carryOut(&fx)
	l.mu.Unlock()
	if len(fx.Answers) > 0 {
		l.cfg.Answer(fx.Answers)
	}
}

// doOn is do on behalf of a link, unless that is given up meanwhile: then it reports false.
func (l *Lane) doOn(k *link, step func(now core.Instant, fx *wire.PeerEffects)) (stands bool) {
	l.do(func(now core.Instant, fx *wire.PeerEffects) {
		if l.link == k {
			step(now, fx)
			stands = true
		}
	})
	return stands
}

// carryOut does what the machine wants. The caller holds mu.
func (l *Lane) carryOut(fx *wire.PeerEffects) {
	if fx.Down != "" {
		l.cfg.Changed(false, l.address(), fx.Down)
	}
	if fx.Hangup {
		l.hangUp()
	}
	if fx.Dial != "" {
		l.dial(fx.Dial)
	}
	if fx.Up {
		l.cfg.Changed(true, l.address(), "")
	}
	if len(fx.Write) > 0 {
		select {
		case l.link.write <- fx.Write:
		default:
			panic("invariant: a lane has more than one request under way")
		}
	}
	l.arm()
}

func (l *Lane) address() string {
	if l.link == nil {
		return ""
	}
	return l.link.addr
}

func (l *Lane) hangUp() {
	k := l.link
	if k == nil {
		return // it was lost, and its goroutine has told so
	}
	l.link = nil
	k.stop()
	if k.conn != nil {
		_ = k.conn.Close()
		close(k.write)
	}
}

// writesMax is how many requests may be handed to a link's writer before it takes one: ApiVersions, and the one behind it.
const writesMax = 2

func (l *Lane) dial(addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &link{addr: addr, stop: cancel, write: make(chan []byte, writesMax)}
	l.link = k
	l.idle.Go(func() {
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			l.lost(k, err)
			return
		}
		stands := l.doOn(k, func(now core.Instant, fx *wire.PeerEffects) {
			k.conn = conn
			l.idle.Go(func() { l.send(k, conn) })
			l.machine.Connected(now, fx)
		})
		if !stands {
			_ = conn.Close()
			return
		}
		l.lost(k, l.read(k, conn))
	})
}

// lost tells the machine that a link came to nothing, if the machine has not given it up itself.
func (l *Lane) lost(k *link, err error) {
	l.doOn(k, func(now core.Instant, fx *wire.PeerEffects) {
		l.machine.Lost(now, reasonOf(err), fx)
		fx.Hangup = true // of our own: what is left of it goes
	})
}

// reasonOf leaves out the addresses that net puts around the cause: whoever is told knows them.
func reasonOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// read takes answers until the link ends.
func (l *Lane) read(k *link, conn net.Conn) error {
	in := wire.NewAnswerReader(l.cfg.Limits.AnswerMax, l.cfg.pool())
	defer in.Close()
	for {
		answer, ok, err := in.Next()
		if err != nil {
			return err
		}
		if ok {
			if !l.doOn(k, func(now core.Instant, fx *wire.PeerEffects) { l.machine.Frame(now, answer, fx) }) {
				if answer.Frame != record.NoFrame {
					l.cfg.Frames.Release(answer.Frame)
				}
				return nil
			}
			continue
		}
		n, err := conn.Read(in.Buffer())
		in.Filled(n)
		if err != nil && n == 0 {
			return err
		}
	}
}

// send writes requests until the link ends. What cannot be written ends it; the reading side tells.
func (l *Lane) send(k *link, conn net.Conn) {
	for b := range k.write {
		if _, err := conn.Write(b); err != nil {
			_ = conn.Close()
			return
		}
	}
}

// arm sets the timer to what the machine waits for. The caller holds mu.
func (l *Lane) arm() {
	at, ok := l.machine.Due()
	if !ok || l.stopped {
		if l.armed != 0 {
			l.armed = 0
			l.timer.Stop()
		}
		return
	}
	if at == l.armed {
		return
	}
	l.armed = at
	l.timer.Reset(max(time.Duration(at-l.cfg.Now()), 0))
}
