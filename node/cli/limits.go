package cli

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"odradek/core/fetch"
	"odradek/disk/store"
	"odradek/disk/vfs"
	"odradek/disk/vfs/filecache"
	"odradek/net/tcp"
	"odradek/node/runtime"
)

const (
	// openFilesMax is enough for any set of files that is in use at a time; more would only cost the kernel memory.
	openFilesMax = 32768
	// filesApart are descriptors for neither logs nor connections: listeners, the admin's sockets, directories being synced.
	filesApart = 64
	// fewestFiles are needed whatever the system allows: folders to sync, files being written.
	fewestFiles = 16
)

// fileLimits raises the process's limit of descriptors as far as it may and returns what each log directory gets: of descriptors a third, for sockets want theirs;
// of mappings nine tenths, for without any the Go runtime cannot go on. sockets is what is left for connections; 0: nobody knows.
func fileLimits(dirs int) (limits filecache.Limits, sockets int) {
	files := openFilesMax
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err == nil {
		if r.Cur < r.Max {
			raised := unix.Rlimit{Cur: r.Max, Max: r.Max}
			if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
				r = raised
			}
		}
		files = int(min(r.Cur/3, openFilesMax))
		sockets = int(min(r.Cur, math.MaxInt32)) - files - filesApart
		sockets = max(sockets, fewestFiles)
	}
	return filecache.Limits{Files: max(files/dirs, fewestFiles), Maps: mapsMax() / 10 * 9 / dirs}, sockets
}

// mapsMax is vm.max_map_count, 0 where it cannot be read.
func mapsMax() int {
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// counters are what /debug/stats shows.
type counters struct {
	store.Stats
	Files         []filecache.Stats // by log directory
	FetchSessions fetch.SessionStats
	Extents       tcp.Extents
}

func stats(n *runtime.Node, dirs []vfs.FS) counters {
	c := counters{Stats: n.Stats(), FetchSessions: n.FetchSessions(), Extents: n.Extents()}
	for _, dir := range dirs {
		if cache, ok := dir.(*filecache.FS); ok {
			c.Files = append(c.Files, cache.Stats())
		}
	}
	return c
}
