package segment

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"odradek/core"
	"odradek/core/properties"
	"odradek/core/record"
	"odradek/disk/vfs"
)

// propertiesFile and lockFile lie at the root of a log directory.
const (
	propertiesFile = "meta.properties"
	lockFile       = ".lock"
)

// Properties is meta.properties: whose log directory this is.
type Properties struct {
	ClusterID   string
	NodeID      record.NodeID
	DirectoryID record.UUID
}

// Lock takes the directory's .lock; vfs.ErrLocked if another process has it. It is held until the file closes.
func (d *Dir) Lock() (vfs.File, error) { return d.fs.Lock(lockFile) }

// ReadProperties reads meta.properties; vfs.ErrNotExist if the directory was never formatted.
func (d *Dir) ReadProperties() (Properties, error) {
	text, err := d.ReadSlot(propertiesFile)
	if err != nil {
		return Properties{}, err
	}
	p, err := ParseProperties(text)
	if err != nil {
		return p, fmt.Errorf("%s: %w", propertiesFile, err)
	}
	return p, nil
}

// WriteProperties replaces meta.properties, durably.
func (d *Dir) WriteProperties(p Properties) error {
	return d.WriteSlot(core.Store{Slot: core.Slot{Dir: d.id, Name: propertiesFile}, Bytes: p.Format()})
}

// Format returns the text of the file.
func (p Properties) Format() []byte {
	return []byte("#\nversion=1\ncluster.id=" + properties.Escape(p.ClusterID) + "\nnode.id=" + strconv.Itoa(int(p.NodeID)) +
		"\ndirectory.id=" + p.DirectoryID.String() + "\n")
}

// ParseProperties reads the file as Kafka writes it. Keys it does not know count for nothing.
func ParseProperties(text []byte) (Properties, error) {
	entries, err := properties.Parse(string(text))
	if err != nil {
		return Properties{}, err
	}
	values := map[string]string{}
	for _, e := range entries {
		values[e.Key] = e.Value
	}
	if values["version"] != "1" {
		return Properties{}, fmt.Errorf("version is %q, want 1: format the directory anew or open it with the Kafka that wrote it", values["version"])
	}
	p := Properties{ClusterID: values["cluster.id"]}
	node, err := strconv.ParseInt(values["node.id"], 10, 32)
	if err != nil || node < 0 {
		return p, fmt.Errorf("node.id is %q, want a number from 0 on", values["node.id"])
	}
	p.NodeID = record.NodeID(node)
	if p.ClusterID == "" {
		return p, errors.New("cluster.id is missing")
	}
	if id, ok := values["directory.id"]; ok {
		if p.DirectoryID, err = record.ParseUUID(id); err != nil {
			return p, fmt.Errorf("directory.id: %w", err)
		}
	}
	return p, nil
}

// Belongs says why a directory is not this node's: cluster is the one of other directories, empty if none has told.
func (p *Properties) Belongs(node record.NodeID, cluster string) error {
	switch {
	case p.NodeID != node:
		return fmt.Errorf("%s: it belongs to node %d and this is node %d: set node.id=%d or choose another directory", propertiesFile, p.NodeID, node, p.NodeID)
	case cluster != "" && p.ClusterID != cluster:
		return fmt.Errorf("%s: it belongs to cluster %s, another directory to %s: name only directories of one cluster", propertiesFile, p.ClusterID, cluster)
	}
	return nil
}

// TakeUpClean says that the mark of a clean stop was there: a directory that Kafka left is taken up at its recovery points then, and read whole otherwise.
func (d *Dir) TakeUpClean() { d.clean = true }

// DropCleanMark removes the mark of a clean stop, durably, before anything is written: were it to stay, Kafka would trust indexes that it did not write. It
// reports whether the mark was there, and the broker epoch that it names; -1: it names none.
func (d *Dir) DropCleanMark() (clean bool, epoch int64, err error) {
	text, err := d.ReadSlot(core.CleanMark)
	if err == nil {
		err = d.fs.Remove(core.CleanMark)
	}
	if errors.Is(err, vfs.ErrNotExist) {
		return false, -1, nil
	} else if err != nil {
		return false, -1, err
	}
	d.TakeUpClean()
	return true, brokerEpoch(text), d.fs.SyncDir("")
}

// brokerEpoch reads what Kafka's CleanShutdownFileHandler writes. A mark of an older release is empty.
func brokerEpoch(text []byte) int64 {
	_, rest, _ := strings.Cut(string(text), `"brokerEpoch":`)
	digits := strings.TrimLeft(rest, " ")
	if i := strings.IndexAny(digits, ",} \n"); i >= 0 {
		digits = digits[:i]
	}
	epoch, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || epoch < 0 {
		return -1
	}
	return epoch
}
