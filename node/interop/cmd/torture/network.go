//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"odradek/node/interop/brokers"
)

const nodes = 3

// diskSize is the file system of the node whose disk gets full.
const diskSize = "4g"

// network is where the nodes run: network namespaces joined by a bridge, or loopback addresses where the system allows none. Before each node stands a relay.
type network struct {
	tag    string // of all names
	spaces bool
	subnet string
	dir    string
	disk   string // the small file system; empty: none
	relays []*relay
	places []brokers.Place
}

func command(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func commands(format string, args ...any) error {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := command(line); err != nil {
			return err
		}
	}
	return nil
}

// newNetwork makes it. end takes it away, whatever came of it.
func newNetwork(tag, subnet, dir string) (*network, error) {
	n := &network{tag: tag, subnet: subnet, dir: dir}
	if err := n.makeSpaces(); err != nil {
		n.removeSpaces()
		fmt.Printf("no network namespaces here (%v): loopback, and cuts by the relay\n", err)
	} else {
		n.spaces = true
	}
	disk := filepath.Join(dir, "disk")
	if err := commands("mkdir %s\nmount -t tmpfs -o size=%s %s %s", disk, diskSize, tag, disk); err != nil {
		fmt.Printf("no file system of limited size here (%v): no full disk\n", err)
	} else {
		n.disk = disk
	}
	return n, n.place()
}

func (n *network) space(i int) string { return fmt.Sprintf("%s-%d", n.tag, i) }
func (n *network) host(i int) string  { return fmt.Sprintf("%s.%d", n.subnet, i) }

// outside is the host's number: clients are there.
const outside = 254

func (n *network) makeSpaces() error {
	if err := commands("ip link add %[1]s type bridge\nip addr add %[2]s/24 dev %[1]s\nip link set %[1]s up", n.tag, n.host(outside)); err != nil {
		return err
	}
	for i := 1; i <= nodes; i++ {
		err := commands(`ip netns add %[1]s
			ip link add %[1]s type veth peer name eth0 netns %[1]s
			ip link set %[1]s master %[2]s up
			ip -n %[1]s addr add %[3]s/24 dev eth0
			ip -n %[1]s link set lo up
			ip -n %[1]s link set eth0 up`, n.space(i), n.tag, n.host(i))
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *network) removeSpaces() {
	for i := 1; i <= nodes; i++ {
		_ = command("ip netns del " + n.space(i)) // its end of the link goes with it
	}
	_ = command("ip link del " + n.tag)
}

// place says where each node runs, and starts what stands before it.
func (n *network) place() error {
	for i := 1; i <= nodes; i++ {
		p := brokers.Place{Data: filepath.Join(n.dir, fmt.Sprintf("n%d", i))}
		if n.disk != "" && i == nodes {
			p.Data = filepath.Join(n.disk, "data")
		}
		if n.spaces {
			p.Enter = []string{"ip", "netns", "exec", n.space(i)}
			p.Clients = brokers.Endpoint{Bind: "127.0.0.1:19092", Told: n.host(i) + ":9092"}
			p.Controllers = brokers.Endpoint{Bind: "127.0.0.1:19093", Told: n.host(i) + ":9093"}
			p.Admin = n.host(i) + ":9644"
		} else {
			p.Clients = brokers.Endpoint{Bind: brokers.FreeAddress(), Told: brokers.FreeAddress()}
			p.Controllers = brokers.Endpoint{Bind: brokers.FreeAddress(), Told: brokers.FreeAddress()}
			p.Admin = brokers.FreeAddress()
		}
		r, err := startRelay(p.Enter, p.Clients.Told+"="+p.Clients.Bind, p.Controllers.Told+"="+p.Controllers.Bind)
		if err != nil {
			return err
		}
		n.relays, n.places = append(n.relays, r), append(n.places, p)
	}
	return nil
}

func (n *network) end() {
	for _, r := range n.relays {
		r.end()
	}
	if n.spaces {
		n.removeSpaces()
	}
	if n.disk != "" {
		_ = command("umount " + n.disk)
	}
}

// unplug takes the node's link down.
func (n *network) unplug(i int) error {
	if !n.spaces {
		return n.relays[i-1].do(0, true, true)
	}
	return command("ip link set " + n.space(i) + " down")
}

func (n *network) plug(i int) error {
	if !n.spaces {
		return n.relays[i-1].do(0, false, false)
	}
	return command("ip link set " + n.space(i) + " up")
}

// route adds (or deletes) a route from a host to another that swallows every packet.
func (n *network) route(verb string, from, to int) error {
	if from == outside {
		return commands("ip route %s blackhole %s/32", verb, n.host(to))
	}
	return commands("ip -n %s route %s blackhole %s/32", n.space(from), verb, n.host(to))
}

// routes does that for packets between a node and some others: those that it sends, or those that it is sent.
func (n *network) routes(verb string, i int, others []int, sends bool) error {
	if !n.spaces {
		return n.relays[i-1].do(0, verb == "add" && !sends, verb == "add" && sends)
	}
	var err error
	for _, other := range others {
		if sends {
			err = errors.Join(err, n.route(verb, i, other))
		} else {
			err = errors.Join(err, n.route(verb, other, i))
		}
	}
	return err
}

// delay holds every byte to and from a node for a time.
func (n *network) delay(i int, d time.Duration) error { return n.relays[i-1].do(d, false, false) }

// fill makes the small file system as small as what it holds.
func (n *network) fill() error {
	out, err := exec.Command("df", "--output=used", "-B4096", n.disk).Output()
	if err != nil {
		return err
	}
	var title string
	var pages int64
	if _, err := fmt.Sscan(string(out), &title, &pages); err != nil {
		return fmt.Errorf("df: %q: %w", out, err)
	}
	return commands("mount -o remount,size=%d %s", (pages+1)*4096, n.disk)
}

func (n *network) empty() error { return commands("mount -o remount,size=%s %s", diskSize, n.disk) }
