package runtime

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/store"
	"odradek/disk/vfs"
)

// logDir is one log directory. The core knows it by its place among those that stand.
type logDir struct {
	fs    vfs.FS
	path  string
	lock  vfs.File
	props segment.Properties // ClusterID is empty if it is new
	dir   core.Dir
}

// wrong says of which directory an error is.
func (d *logDir) wrong(err error) error { return fmt.Errorf("log directory %s: %w", d.path, err) }

// openDirs locks the directories and identifies them: first those that say whose they are, so that a new one joins their cluster.
func (n *Node) openDirs(o Options) (*core.Boot, error) {
	boot := &core.Boot{NodeID: n.cfg.NodeID, Config: o.Config, Incarnation: newUUID()}
	if _, err := rand.Read(boot.Seed[:]); err != nil {
		return nil, err
	}
	for i, fs := range o.FS {
		n.dirs = append(n.dirs, &logDir{fs: fs, path: o.Paths[i]})
	}
	if err := n.eachDir(func(d *logDir) error { return n.identify(d, boot) }); err != nil {
		return nil, err
	}
	switch {
	case boot.ClusterID == "" && o.ClusterID != "":
		if _, err := record.ParseUUID(o.ClusterID); err != nil {
			return nil, fmt.Errorf("CLUSTER_ID: %w: leave it out, or take what kafka-storage random-uuid prints", err)
		}
		boot.ClusterID = o.ClusterID
	case boot.ClusterID == "" && !n.cfg.Alone():
		return nil, fmt.Errorf("the log directories are new, and no cluster is named: nodes that start as one cluster need the same id. Give each CLUSTER_ID or --cluster-id, such as %s, or format the directories (kafka-storage format)", newUUID())
	case boot.ClusterID == "":
		boot.ClusterID = newUUID().String()
	case o.ClusterID != "" && o.ClusterID != boot.ClusterID:
		n.log.Warn("CLUSTER_ID is not the cluster of these directories, and is passed over", "given", o.ClusterID, "directories", boot.ClusterID)
	}
	return boot, n.eachDir(func(d *logDir) error { return n.claim(d, boot) })
}

// eachDir does a part of opening with each directory. One whose file system fails is given up while the others serve, but for the first, which holds the
// metadata log; anything else is a mistake, and ends the start.
func (n *Node) eachDir(part func(*logDir) error) error {
	stand := make([]*logDir, 0, len(n.dirs))
	for i, d := range n.dirs {
		err := part(d)
		switch {
		case err == nil:
			stand = append(stand, d)
		case i == 0 || !broken(err):
			return d.wrong(err)
		default:
			n.giveUp(d, err)
		}
	}
	n.dirs = stand
	return nil
}

// broken reports whether an error is the file system's: a missing disk, a right that is missing, an input/output error.
func broken(err error) bool {
	return errors.Is(err, vfs.ErrIO) || errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, vfs.ErrNotExist)
}

func (n *Node) giveUp(d *logDir, err error) {
	n.absent = append(n.absent, d.path)
	n.log.Error("log directory given up: its partitions are offline until the node is started with it", "path", d.path, "reason", err.Error())
	if d.lock != nil {
		_ = d.lock.Close() // nothing of it is used
		d.lock = nil
	}
}

// identify locks a directory and reads its meta.properties; nothing is set if it has none yet.
func (n *Node) identify(d *logDir, boot *core.Boot) (err error) {
	dir := segment.OpenDir(d.fs, 0)
	if d.lock, err = dir.Lock(); errors.Is(err, vfs.ErrLocked) {
		d.lock = nil
		return errors.New("it is in use by another process, or named twice: stop that one or choose another directory with --data or log.dirs")
	} else if err != nil {
		d.lock = nil
		return err
	}
	if err := dir.CheckFormat(); err != nil {
		return err // before anything is changed
	}
	p, err := dir.ReadProperties()
	if errors.Is(err, vfs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = p.Belongs(n.cfg.NodeID, boot.ClusterID)
	}
	if err != nil {
		return err
	}
	boot.ClusterID, d.props = p.ClusterID, p
	return nil
}

// claim makes a directory the node's own, and takes the clean mark away before anything is written.
func (n *Node) claim(d *logDir, boot *core.Boot) (err error) {
	dir := segment.OpenDir(d.fs, 0)
	if d.props.ClusterID == "" || d.props.DirectoryID.IsZero() {
		d.props = segment.Properties{ClusterID: boot.ClusterID, NodeID: n.cfg.NodeID, DirectoryID: newUUID()}
		if err := dir.WriteProperties(d.props); err != nil {
			return err
		}
	}
	d.dir = core.Dir{ID: d.props.DirectoryID, Path: d.path}
	if d.dir.Clean, d.dir.Epoch, err = dir.DropCleanMark(); err != nil {
		return err
	}
	if d.dir.Free, err = d.fs.Free(); err != nil {
		return err
	}
	d.dir.Total, err = d.fs.Total()
	return err
}

// recover opens the store on the directories. One that cannot be read is given up, as by eachDir.
func (n *Node) recover(boot *core.Boot) ([]store.Recovered, error) {
	for {
		var dirs []*segment.Dir
		for i, d := range n.dirs {
			dirs = append(dirs, segment.OpenDirWith(d.fs, stream.DirID(i), n.index))
			if d.dir.Clean {
				dirs[i].TakeUpClean()
			}
		}
		var err error
		if boot.Snapshots, boot.Bootstrap, err = dirs[0].Snapshots(); err != nil {
			return nil, err
		}
		s, found, err := store.Open(store.Options{Dirs: dirs, Complete: n.complete, Codec: &n.codec, Release: n.frames.Release})
		var failed *store.DirError
		switch {
		case err == nil:
			n.store, boot.Absent = s, n.absent
			for _, d := range n.dirs {
				boot.Dirs = append(boot.Dirs, d.dir)
			}
			boot.QuorumState, err = dirs[0].ReadSlot(core.QuorumStateSlot.Name)
			if errors.Is(err, vfs.ErrNotExist) {
				err = nil
			}
			return found, err
		case !errors.As(err, &failed) || failed.Dir == 0 || !broken(failed.Err):
			return nil, err
		}
		n.giveUp(n.dirs[failed.Dir], failed.Err)
		n.dirs = slices.Delete(n.dirs, int(failed.Dir), int(failed.Dir)+1)
	}
}

// unknown leaves out the failures of directories that the core has given up: they were told when they happened, and the others stop in order. The mailbox is
// closed.
func (n *Node) unknown(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var rest []error
	for _, err := range joined.Unwrap() {
		if dir, ok := err.(*store.DirError); !ok || !slices.Contains(n.failed, dir.Dir) {
			rest = append(rest, err)
		}
	}
	return errors.Join(rest...)
}

func (n *Node) unlock() error {
	var errs []error
	for _, d := range n.dirs {
		if d.lock != nil {
			errs = append(errs, d.lock.Close())
		}
	}
	return errors.Join(errs...)
}
