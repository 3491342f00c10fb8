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
	Config []core.KeyValue // the node's configuration; parsed by core/config
	FS     []vfs.FS        // one for each log directory
	Paths  []string        // of the directories, for people
	Log    *slog.Logger    // nil: slog.Default()
	Index  segment.Options // how segments are indexed; zero: as Kafka does by default
	Events string          // file that takes the last events when the node is given up; empty: none
}

// Node is one running node.
type Node struct {
	cfg     *config.Node
	log     *slog.Logger
	core    *core.Core
	mailbox mailbox
	store   *store.Store
	server  *tcp.Server
	frames  *tcp.Frames
	codec   codec.Codec
	started time.Time
	view    query.View
	env     atomic.Pointer[wire.Env]
	ready   chan struct{}
	halted  chan string
	locks   []vfs.File
	dirs    []*segment.Dir
	history history

	prepares sync.Pool // *record.Preparer

	// Of whoever attends the mailbox.
	fx    core.Effects
	pins  []replyPins
	armed core.Instant // what timer is set to, or noInstant
	due   bool         // a Timeout for work that is due waits in the mailbox

	timer      *time.Timer
	steps      atomic.Int64
	events     string // Options.Events
	stopSpace  context.CancelFunc
	stopReport sync.Once
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
	n := &Node{cfg: cfg, log: o.Log, core: core.New(), started: time.Now(), ready: make(chan struct{}), halted: make(chan string, 1), events: o.Events,
		armed: noInstant, stopSpace: func() {}}
	n.mailbox.init(n.turn)
	n.prepares.New = func() any { return &record.Preparer{Codec: &n.codec} }
	n.frames = tcp.NewFrames(max(cfg.QueuedMaxBytes, 0), false)
	n.timer = time.AfterFunc(time.Hour, n.timeUp)
	n.timer.Stop() // arm sets it
	boot, err := n.openDirs(o)
	if err == nil {
		err = n.boot(ctx, boot)
	}
	if err == nil {
		err = n.listen()
	}
	if err != nil {
		n.abandon()
		return nil, err
	}
	return n, nil
}

// openDirs locks the directories and identifies them: first those that say whose they are, so that a new one joins their cluster.
func (n *Node) openDirs(o Options) (*core.Boot, error) {
	boot := &core.Boot{NodeID: n.cfg.NodeID, Config: o.Config, Incarnation: newUUID()}
	if _, err := rand.Read(boot.Seed[:]); err != nil {
		return nil, err
	}
	properties := make([]segment.Properties, len(o.FS))
	for i, fs := range o.FS {
		d := segment.OpenDirWith(fs, stream.DirID(i), o.Index)
		lock, err := d.Lock()
		if errors.Is(err, vfs.ErrLocked) {
			return nil, fmt.Errorf("log directory %s is in use by another process: stop it or choose another with --data", o.Paths[i])
		} else if err != nil {
			return nil, fmt.Errorf("log directory %s: %w", o.Paths[i], err)
		}
		n.locks = append(n.locks, lock)
		n.dirs = append(n.dirs, d)
		if properties[i], err = n.identify(d, boot); err == nil {
			err = d.DropCleanMark()
		}
		if err != nil {
			return nil, fmt.Errorf("log directory %s: %w", o.Paths[i], err)
		}
	}
	if boot.ClusterID == "" {
		boot.ClusterID = newUUID().String()
	}
	for i, d := range n.dirs {
		var err error
		if properties[i].ClusterID == "" {
			properties[i] = segment.Properties{ClusterID: boot.ClusterID, NodeID: n.cfg.NodeID, DirectoryID: newUUID()}
			err = d.WriteProperties(properties[i])
		}
		dir := core.Dir{ID: properties[i].DirectoryID, Path: o.Paths[i]}
		if err == nil {
			dir.Free, err = d.FS().Free()
		}
		if err != nil {
			return nil, fmt.Errorf("log directory %s: %w", o.Paths[i], err)
		}
		boot.Dirs = append(boot.Dirs, dir)
	}
	return boot, nil
}

// identify reads meta.properties; nothing is set if the directory has none yet.
func (n *Node) identify(d *segment.Dir, boot *core.Boot) (segment.Properties, error) {
	p, err := d.ReadProperties()
	switch {
	case errors.Is(err, vfs.ErrNotExist):
		return segment.Properties{}, nil
	case err != nil:
		return p, err
	case p.NodeID != n.cfg.NodeID:
		return p, fmt.Errorf("it belongs to node %d and this is node %d: set node.id=%d or choose another directory", p.NodeID, n.cfg.NodeID, p.NodeID)
	case boot.ClusterID != "" && p.ClusterID != boot.ClusterID:
		return p, fmt.Errorf("it belongs to cluster %s, another directory to %s: name only directories of one cluster", p.ClusterID, boot.ClusterID)
	}
	boot.ClusterID = p.ClusterID
	return p, nil
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
	var found []store.Recovered
	var err error
	if boot.Snapshots, boot.Bootstrap, err = n.dirs[0].Snapshots(); err != nil {
		return err
	}
	n.store, found, err = store.Open(store.Options{Dirs: n.dirs, Complete: n.complete, Codec: &n.codec, Release: n.frames.Release})
	if err != nil {
		return err
	}
	if boot.QuorumState, err = n.dirs[0].ReadSlot(core.QuorumStateSlot.Name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
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
	n.mailbox.submit(events)
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

// listen opens the sockets: clients that connect find a node that serves.
func (n *Node) listen() error {
	var listeners []string
	for _, l := range n.cfg.Listeners {
		listeners = append(listeners, fmt.Sprintf("%s://%s:%d", l.Name, bracket(l.Host), l.Port))
	}
	server, err := tcp.Listen(tcp.Config{Listeners: listeners, FrameMax: int(n.cfg.RequestMaxBytes), MaxConnections: n.cfg.MaxConnections,
		MaxConnectionsPerIP: n.cfg.MaxConnectionsPerIP, Idle: time.Duration(n.cfg.MaxIdleMs) * time.Millisecond, Log: n.log}, n)
	if err != nil {
		return err
	}
	n.server = server
	server.Serve()
	return nil
}

// Endpoints returns the addresses that the node listens on.
func (n *Node) Endpoints() []tcp.Endpoint { return n.server.Endpoints() }

// Halted delivers the reason when the core gives the node up. The process should end.
func (n *Node) Halted() <-chan string { return n.halted }

// Stats returns the store's counters of syncs.
func (n *Node) Stats() store.Stats { return n.store.Stats() }

// Steps returns how many events the core has stepped.
func (n *Node) Steps() int64 { return n.steps.Load() }

// Stop ends the node cleanly: no new requests, those under way are answered, everything written is synced. Clients that do not take their answers get half
// of ctx's time and are then left: what must not fail for their sake is the sync.
func (n *Node) Stop(ctx context.Context) error {
	drain := ctx
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		drain, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	if err := n.server.Shutdown(drain); err != nil {
		n.log.Warn("connections were closed with requests under way", "reason", err)
	}
	n.stopSpace()
	n.timer.Stop()
	n.mailbox.close()
	return errors.Join(n.store.Close(ctx), n.unlock())
}

// Kill leaves everything as it is, as the end of the process would: no sync that counts, no answer, the directories locked. For tests on a disk that can be
// switched off.
func (n *Node) Kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.mailbox.close()
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
	if n.store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = n.store.Close(ctx)
	}
	_ = n.unlock()
}

func (n *Node) unlock() error {
	var errs []error
	for _, l := range n.locks {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
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
