package sim

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/query"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/vfs"
	"odradek/net/wire"
)

// recoverDirs returns Boot and then, in drawn order, Opened for each stream.
func (n *node) recoverDirs() ([]core.Event, error) {
	p := n.p
	boot := &core.Boot{NodeID: n.self(), Incarnation: n.newUUID()}
	p.incarnation = boot.Incarnation
	n.ids.Bytes(boot.Seed[:])
	boot.Config = append(n.identity(), n.w.opt.Node...)
	if err := n.openDirs(boot); err != nil {
		return nil, err
	}
	var entries []config.Entry
	for _, kv := range boot.Config {
		entries = append(entries, config.Entry{Key: kv.Key, Value: kv.Value})
	}
	cfg, err := config.ParseNode(entries)
	if err != nil {
		return nil, err
	}
	if boot.Snapshots, boot.Bootstrap, err = p.dirs[0].dir.Snapshots(); err != nil {
		return nil, err
	}
	events := []core.Event{{Kind: core.EvBoot, Boot: boot}}
	for _, d := range p.dirs {
		if events, err = d.recover(boot, events); err != nil {
			return nil, err
		}
	}
	for i := len(events) - 1; i > 1; i-- {
		j := 1 + n.rng.IntN(i)
		events[i], events[j] = events[j], events[i]
	}
	if boot.QuorumState, err = p.dirs[0].dir.ReadSlot(core.QuorumStateSlot.Name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return nil, err
	}
	n.checkEntries(events[1:])
	n.observeStart(events[1:])
	boot.Streams = len(events) - 1
	p.streams = boot.Streams
	p.view = query.View{Self: boot.NodeID, ClusterID: boot.ClusterID, Config: cfg}
	empty := p.view
	empty.Image = image.Empty()
	p.env = wire.NewEnv(&empty, n.prepare, nil)
	return events, nil
}

// openDirs opens and identifies the directories: the whole disk if there is one, else a folder for each. Clean marks go before anything is written.
func (n *node) openDirs(boot *core.Boot) error {
	disk := n.disk.Mount()
	for i := range n.w.opt.Dirs {
		d := &logDir{n: n}
		var fs vfs.FS = disk
		if n.w.opt.Dirs > 1 {
			d.root = fmt.Sprintf("d%d/", i)
			if err := disk.Mkdir(d.root[:2]); err != nil && !errors.Is(err, vfs.ErrExist) {
				return err
			}
			if err := disk.SyncDir(""); err != nil {
				return err
			}
			fs = below{disk, d.root}
		}
		d.dir = segment.OpenDirWith(fs, stream.DirID(i), segment.Options{IndexInterval: int64(n.w.opt.Index.Interval), IndexBytes: int64(n.w.opt.Index.Bytes), SyncAllAbove: n.w.opt.SyncAll,
			SealAbove: n.w.opt.Seal, FillStep: n.w.opt.Fill})
		n.p.dirs = append(n.p.dirs, d)
		if _, err := d.dir.Lock(); err != nil {
			return err
		}
	}
	props := make([]segment.Properties, len(n.p.dirs))
	for i, d := range n.p.dirs {
		var err error
		if props[i], err = d.dir.ReadProperties(); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		if err == nil {
			if err = props[i].Belongs(boot.NodeID, boot.ClusterID); err != nil {
				return err
			}
			boot.ClusterID = props[i].ClusterID
		}
	}
	if boot.ClusterID == "" && len(n.w.nodes) > 1 {
		boot.ClusterID = n.w.cluster // as kafka-storage format was told
	}
	if boot.ClusterID == "" {
		boot.ClusterID = n.newUUID().String()
	}
	for i, d := range n.p.dirs {
		if err := n.claim(d.dir, props[i], boot); err != nil {
			return err
		}
	}
	return nil
}

// claim makes a directory the node's own, if it is new, and takes the clean mark away before anything is written.
func (n *node) claim(dir *segment.Dir, props segment.Properties, boot *core.Boot) error {
	if props.ClusterID == "" {
		props = segment.Properties{ClusterID: boot.ClusterID, NodeID: boot.NodeID, DirectoryID: n.newUUID()}
		if err := dir.WriteProperties(props); err != nil {
			return err
		}
	}
	clean, epoch, err := n.dropCleanMark(dir)
	if err != nil {
		return err
	}
	free, err := dir.FS().Free()
	if clean {
		n.w.reach(markCleanStart)
	}
	boot.Dirs = append(boot.Dirs, core.Dir{ID: props.DirectoryID, Path: "disk", Clean: clean, Epoch: epoch, Free: free})
	return err
}

// recover appends Opened for each stream of a directory.
func (d *logDir) recover(boot *core.Boot, events []core.Event) ([]core.Event, error) {
	folders, err := d.dir.Folders()
	if err != nil {
		return nil, err
	}
	var scratch segment.Scratch
	for _, f := range folders {
		d.lookForZeros(d.root + f.Name)
		log, opened, err := d.dir.Recover(f, &scratch)
		if err != nil {
			return nil, err
		}
		if log == nil {
			continue
		}
		if err := d.dir.Add(log); err != nil {
			return nil, err
		}
		d.n.p.where[log.ID()] = d
		d.n.checkLost(f.Name, opened)
		if log.ID() == stream.Metadata {
			boot.Metadata = *opened
			continue
		}
		events = append(events, core.Event{Kind: core.EvOpened, Stream: log.ID(), Opened: opened})
	}
	lost, err := d.dir.Enlist()
	for _, f := range lost {
		if r := d.n.w.refusal; r != nil && r.lacksName(f.Opened.Topic, f.Stream.Partition) {
			if f.Stream == stream.Metadata {
				boot.Metadata = *f.Opened
				continue
			}
			events = append(events, core.Event{Kind: core.EvOpened, Stream: f.Stream, Opened: f.Opened})
			continue
		}
		d.n.w.fail(Correctness, "damage", fmt.Sprintf("stream %s: %s", f.Stream, f.Opened.Damage))
	}
	return events, err
}

// below is a folder of a file system as a file system of its own.
type below struct {
	fs   vfs.FS
	root string // with a slash
}

func (b below) at(path string) string {
	if path == "" {
		return b.root[:len(b.root)-1]
	}
	return b.root + path
}

func (b below) Open(path string) (vfs.File, error)   { return b.fs.Open(b.at(path)) }
func (b below) Create(path string) (vfs.File, error) { return b.fs.Create(b.at(path)) }
func (b below) Mkdir(path string) error              { return b.fs.Mkdir(b.at(path)) }
func (b below) Rename(from, to string) error         { return b.fs.Rename(b.at(from), b.at(to)) }
func (b below) Remove(path string) error             { return b.fs.Remove(b.at(path)) }
func (b below) List(path string) ([]string, error)   { return b.fs.List(b.at(path)) }
func (b below) SyncDir(path string) error            { return b.fs.SyncDir(b.at(path)) }
func (b below) Free() (int64, error)                 { return b.fs.Free() }
func (b below) Total() (int64, error)                { return b.fs.Total() }
func (b below) Lock(path string) (vfs.File, error)   { return b.fs.Lock(b.at(path)) }

// SyncsAll says no: directories stand for disks of their own here, and the call would reach all of them.
func (b below) SyncsAll() bool { return false }
func (b below) SyncAll() error { return b.fs.SyncAll() }
