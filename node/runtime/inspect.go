package runtime

import (
	"context"
	"errors"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/image"
	"odradek/net/tcp"
)

// inspectedPerTurn bounds what one turn looks at: requests go on meanwhile.
const inspectedPerTurn = 256

// inspection is a look at all replicas under way.
type inspection struct {
	at   core.Place
	out  Look
	done chan Look
}

// Look is what a look at the core finds. A replica that comes or goes meanwhile may be missing or there twice.
type Look struct {
	Partitions []core.PartitionState
	Quorum     core.QuorumState
}

// Inspect looks at each replica, in slices of turns.
func (n *Node) Inspect(ctx context.Context) (Look, error) {
	i := &inspection{done: make(chan Look, 1)}
	select {
	case n.inspections <- i:
	case <-n.ended:
		return Look{}, errEnded
	case <-ctx.Done():
		return Look{}, ctx.Err()
	}
	n.timeUp() // a turn
	select {
	case out := <-i.done:
		return out, nil
	case <-n.ended:
		return Look{}, errEnded
	case <-ctx.Done():
		return Look{}, ctx.Err()
	}
}

var errEnded = errors.New("the node has ended")

// inspect carries an inspection on, at the end of a turn.
func (n *Node) inspect() {
	if n.inspecting == nil {
		select {
		case n.inspecting = <-n.inspections:
		default:
			return
		}
	}
	i, more := n.inspecting, false
	if i.out.Partitions, i.at, more = n.core.Inspect(i.at, inspectedPerTurn, i.out.Partitions); !more {
		i.out.Quorum = n.core.Quorum()
		i.done <- i.out
		n.inspecting = nil
	}
	if more || len(n.inspections) > 0 {
		n.mailbox.put([]core.Event{{Kind: core.EvTimeout}}) // this goroutine attends: the rest is done in turns to come
	}
}

// Image returns the published metadata.
func (n *Node) Image() *image.Image { return n.image.Load() }

// Connections returns how many connections are open, by the name of their listener.
func (n *Node) Connections() map[string]int { return n.server.Connections() }

// Latencies returns how long requests took, by API.
func (n *Node) Latencies() map[api.Key]tcp.LatencyCounts { return n.server.Latencies() }

// Space is what is free and what there is in one log directory, in bytes.
type Space struct {
	Path        string
	Free, Total int64
}

// Spaces looks at the log directories that stand. One whose file system does not answer is left out.
func (n *Node) Spaces() (out []Space) {
	for _, d := range n.dirs {
		free, err := d.fs.Free()
		total, err2 := d.fs.Total()
		if err == nil && err2 == nil {
			out = append(out, Space{d.path, free, total})
		}
	}
	return out
}
