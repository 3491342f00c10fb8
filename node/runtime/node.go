// Package runtime runs one core on real disks and sockets. It carries events to the core and effects out, and decides nothing.
//
//	tcp, store, timer ──events──▶ mailbox ──▶ Core.Step ──effects──▶ publish, pins, store, replies, log
//
// Order (DESIGN §2.1): effects of one turn are handed over in the order publish, disk, replies. Disk effects reach the store in the order of Steps, so they
// are FIFO per stream; replies reach connections in the order of Steps; a published image is seen before any reply of its Step, since the pointer is set
// first. Extents are pinned right after their Step.
package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"odradek/core"
	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/query"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/store"
	"odradek/disk/vfs"
	"odradek/net/codec"
	"odradek/net/tcp"
	"odradek/net/wire"
)

// Options say what a node runs on.
type Options struct {
	ClusterID string          // of directories that are new; empty: drawn
	Config    []core.KeyValue // the node's configuration; parsed by core/config
	FS        []vfs.FS        // one for each log directory
	Paths     []string        // of the directories, for people
	Log       *slog.Logger    // nil: slog.Default()
	Index     segment.Options // how segments are indexed; zero: as Kafka does by default
	Events    string          // file that takes the last events when the node is given up; empty: none
	// Sockets is how many connections the process's limit of open files leaves room for; 0: no bound.
	Sockets int
}

// Node is one running node.
type Node struct {
	cfg     *config.Node
	log     *slog.Logger
	core    *core.Core
	mailbox mailbox
	store   *store.Store
	server  *tcp.Server
	replies tcp.Replies // of a turn
	frames  *tcp.Frames
	codec   codec.Codec
	started time.Time
	view    query.View
	env     atomic.Pointer[wire.Env]
	peers   peers
	ready   chan struct{}
	halted  chan string
	left    chan struct{}  // closed when no other broker relies on this one any more
	ended   chan struct{}  // closed when the core does nothing more: it has stopped, or given the node up
	absent  []string       // paths of directories given up at the start
	dirs    []*logDir      // by DirID
	failed  []stream.DirID // given up by the core. Of whoever attends the mailbox
	index   segment.Options
	history history

	prepares sync.Pool // *preparation
	lights   sync.Pool // *preparation, of what is prepared between two requests of others
	large    large
	heavy    tcp.Turn

	// Of whoever attends the mailbox.
	fx       core.Effects
	loopback core.Loopback
	pins     []replyPins
	armed    core.Instant // what timer is set to, or noInstant
	due      bool         // a Timeout for work that is due waits in the mailbox

	timer    *time.Timer
	steps    atomic.Int64
	sessions sessionCounters
	traffic  traffic
	image    atomic.Pointer[image.Image] // the published one

	inspections chan *inspection
	inspecting  *inspection // of whoever attends the mailbox
	events      string      // Options.Events
	stopSpace   context.CancelFunc
	stopReport  sync.Once
}

// replyPins are the files that one reply's extents lie in.
type replyPins struct{ pins []tcp.Pin }

// wall is the time that stamps records.
func wall() record.UnixMillis { return record.UnixMillis(time.Now().UnixMilli()) }

// Start recovers the directories, boots a core on them, waits until it is ready and begins to listen. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Node, error) {
	entries := make([]config.Entry, len(o.Config))
	for i, kv := range o.Config {
		entries[i] = config.Entry{Key: kv.Key, Value: kv.Value}
	}
	cfg, err := config.ParseNode(entries)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	n := &Node{cfg: cfg, log: o.Log, core: core.New(), started: time.Now(), ready: make(chan struct{}), halted: make(chan string, 1), left: make(chan struct{}), ended: make(chan struct{}), events: o.Events, index: o.Index,
		armed: noInstant, stopSpace: func() {}, inspections: make(chan *inspection, 1), traffic: traffic{topics: map[string]*Traffic{}}}
	n.peers = peers{n: n, lanes: map[laneID]*peerLane{}}
	n.mailbox.init(n.turn)
	n.lights.New = func() any { return newPreparation(&n.codec, lightMax) }
	n.prepares.New = func() any { return newPreparation(&n.codec, smallMax) }
	n.large.init(&n.codec)
	n.frames = tcp.NewFrames(max(cfg.QueuedMaxBytes, 0), false)
	n.timer = time.AfterFunc(time.Hour, n.timeUp)
	n.timer.Stop() // arm sets it
	boot, err := n.openDirs(o)
	if err == nil {
		err = n.listen(o.Sockets)
	}
	if err == nil {
		err = n.boot(ctx, boot)
	}
	if err == nil {
		err = n.server.Add(addresses(cfg.Listeners))
	}
	if err != nil {
		n.abandon()
		return nil, err
	}
	return n, nil
}

// newUUID draws an id that Kafka does not reserve.
func newUUID() (id record.UUID) {
	for id[0] == 0 {
		if _, err := rand.Read(id[:]); err != nil {
			panic("no randomness: " + err.Error())
		}
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// boot recovers all streams, gives them to the core and waits until it is ready.
func (n *Node) boot(ctx context.Context, boot *core.Boot) error {
	found, err := n.recover(boot)
	if err != nil {
		return err
	}
	events := []core.Event{{Kind: core.EvBoot, Boot: boot}}
	for _, r := range found {
		if r.Stream == stream.Metadata {
			boot.Metadata = *r.Opened
			continue
		}
		events = append(events, core.Event{Kind: core.EvOpened, Stream: r.Stream, Opened: r.Opened})
	}
	boot.Streams = len(events) - 1
	n.view = query.View{Self: n.cfg.NodeID, ClusterID: boot.ClusterID, Config: n.cfg}
	empty := n.view
	empty.Image = image.Empty()
	n.image.Store(empty.Image)
	n.env.Store(wire.NewEnv(&empty, n.prepare, n.prepareLight)) // other controllers ask before there is an image of this one's own
	n.mailbox.submit(events)
	n.server.Serve()
	select {
	case <-n.ready:
	case reason := <-n.halted:
		return errors.New(reason)
	case <-ctx.Done():
		return fmt.Errorf("starting: %w", ctx.Err())
	}
	space, cancel := context.WithCancel(context.Background())
	n.stopSpace = cancel
	go n.store.PollFree(space, time.Second)
	return nil
}

// Endpoints returns the addresses that the node listens on.
func (n *Node) Endpoints() []tcp.Endpoint { return n.server.Endpoints() }

// Halted delivers the reason when the core gives the node up. The process should end.
func (n *Node) Halted() <-chan string { return n.halted }

// Stats returns the store's counters of syncs.
func (n *Node) Stats() store.Stats { return n.store.Stats() }

// Extents returns the counters of files' bytes in responses.
func (n *Node) Extents() tcp.Extents { return n.server.Extents() }

// Steps returns how many events the core has stepped.
func (n *Node) Steps() int64 { return n.steps.Load() }

// Stop ends the node cleanly: no new requests, those under way are answered, then the core closes every log, stores its checkpoints and marks the
// directories. Clients that do not take their answers get half of ctx's time and are then left: what must not fail for their sake is the rest.
//
// Where there are other nodes they take its leaderships over first, while it still serves them, and fetch what it wrote last.
func (n *Node) Stop(ctx context.Context) error {
	drain, cancel := ctx, func() {}
	if end, ok := ctx.Deadline(); ok {
		drain, cancel = context.WithTimeout(ctx, time.Until(end)/2)
	}
	defer cancel()
	n.mailbox.submit([]core.Event{{Kind: core.EvLeave}})
	select {
	case <-n.left:
	case <-n.ended:
	case <-drain.Done():
	}
	if err := n.server.Shutdown(drain); err != nil {
		n.log.Warn("connections were closed with requests under way", "reason", err)
	}
	n.stopSpace()
	n.mailbox.submit([]core.Event{{Kind: core.EvStop}})
	var err error
	select {
	case <-n.ended:
	case <-ctx.Done():
		err = fmt.Errorf("stopping: %w: the directories are not marked as clean", ctx.Err())
	}
	n.timer.Stop()
	n.peers.stop()
	n.mailbox.close()
	return errors.Join(err, n.unknown(n.store.Close(ctx)), n.unlock())
}

// Kill leaves everything as it is, as the end of the process would: no sync that counts, no answer, the directories locked. For tests on a disk that can be
// switched off.
func (n *Node) Kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.mailbox.close()
	n.peers.stop()
	_ = n.server.Shutdown(ctx)
	n.stopSpace()
	n.timer.Stop()
	_ = n.store.Close(ctx)
}

// abandon ends what Start has begun.
func (n *Node) abandon() {
	n.stopSpace()
	n.timer.Stop()
	n.mailbox.close()
	n.peers.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n.server != nil {
		now, cancel := context.WithCancel(ctx)
		cancel()
		_ = n.server.Shutdown(now)
	}
	if n.store != nil {
		_ = n.store.Close(ctx)
	}
	_ = n.unlock()
}

func bracket(host string) string {
	for _, c := range host {
		if c == ':' {
			return "[" + host + "]"
		}
	}
	return host
}

// dumpHistory writes the last events, for who looks into a halt later.
func (n *Node) dumpHistory(reason string) {
	if n.events == "" {
		return
	}
	if err := os.WriteFile(n.events, n.history.text(reason), 0o644); err != nil {
		n.log.Error("could not write the last events", "file", n.events, "error", err)
		return
	}
	n.log.Error("the last events are written", "file", n.events)
}
