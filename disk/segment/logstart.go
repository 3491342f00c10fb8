package segment

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/disk/vfs"
)

// readStarts reads the checkpoint of log starts, by folder. A missing one has no entries; a wrong one is an error, for without it deleted records would
// come back.
func (d *Dir) readStarts() (map[string]record.Offset, error) {
	text, err := d.ReadSlot(core.LogStartCheckpoint)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := core.ParseCheckpoint(text)
	if err != nil {
		return nil, fmt.Errorf("%s, %w: mend it, or remove it and deleted records come back", core.LogStartCheckpoint, err)
	}
	starts := make(map[string]record.Offset, len(entries))
	for _, e := range entries {
		starts[folderName(e.Topic, e.Partition)] = e.Offset
	}
	return starts, nil
}
