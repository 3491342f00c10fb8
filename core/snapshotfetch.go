package core

import (
	"odradek/core/quorum"
)

// wantSnapshot begins to fetch a snapshot that the leader has instead of the log's next records.
func (c *Core) wantSnapshot(id quorum.SnapshotID) { panic("todo") }
