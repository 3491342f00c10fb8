package segment

import (
	"strings"

	"odradek/core/record"
)

// asideSuffix ends the name of a segment's file that was found damaged and has been replaced by a copy from the leader. Neither Kafka nor this package reads it; it goes
// with its topic, or when the partition is damaged and copied anew once more: what is kept is at most what one repair found.
const asideSuffix = ".damaged"

// putAside gives a segment's file a name under which nobody takes it for a part of the log. Its indexes go.
func (d *Dir) putAside(folder string, base record.Offset) error {
	name := folder + "/" + logName(base)
	if err := d.fs.Rename(name, name+asideSuffix); err != nil {
		return err
	}
	return d.removeIndexes(folder, base)
}

// dropAside removes what an earlier repair put aside.
func (d *Dir) dropAside(folder string) error {
	names, err := d.fs.List(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix+asideSuffix) {
			if err := d.fs.Remove(folder + "/" + name); err != nil {
				return err
			}
		}
	}
	return nil
}
