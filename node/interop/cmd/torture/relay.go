//go:build cgo

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// A relay stands before a node's listeners, as a process of its own where the node runs. Its standard input says what it does to the bytes; it ends with that.

// relay is the process, held by its input.
type relay struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// startRelay starts one, with pairs of what it listens on and where that goes to.
func startRelay(enter []string, pairs ...string) (*relay, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line := append(append(append([]string{}, enter...), self, "relay"), pairs...)
	r := &relay{cmd: exec.Command(line[0], line[1:]...)}
	r.cmd.Stderr = os.Stderr
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("the relay does not listen: %q %w", said, err)
	}
	return r, nil
}

// do has the relay hold every byte for a time, and hold those in one direction until it is told otherwise.
func (r *relay) do(delay time.Duration, holdIn, holdOut bool) error {
	_, err := fmt.Fprintf(r.in, "%d %t %t\n", delay.Milliseconds(), holdIn, holdOut)
	return err
}

func (r *relay) end() {
	_ = r.in.Close()
	_ = r.cmd.Wait()
}

// ways is what a relay does now: to the node, and from it.
type ways struct {
	delay atomic.Int64 // nanoseconds
	hold  [2]atomic.Bool
}

// runRelay is the process.
func runRelay(pairs []string) error {
	w := new(ways)
	for _, pair := range pairs {
		listen, to, _ := strings.Cut(pair, "=")
		l, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go w.connect(c, to)
			}
		}()
	}
	fmt.Println("listening")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var delay int64
		var holdIn, holdOut bool
		if _, err := fmt.Sscan(in.Text(), &delay, &holdIn, &holdOut); err != nil {
			return err
		}
		w.delay.Store(int64(time.Duration(delay) * time.Millisecond))
		w.hold[0].Store(holdIn)
		w.hold[1].Store(holdOut)
	}
	return nil
}

func (w *ways) connect(c net.Conn, to string) {
	defer c.Close()
	node, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer node.Close()
	ended := make(chan struct{}, 2)
	go func() { w.pump(node, c, 0); ended <- struct{}{} }()
	go func() { w.pump(c, node, 1); ended <- struct{}{} }()
	<-ended // the other one ends with the connections
}

// chunk is bytes that may go on at a time.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pump passes bytes on in one direction.
func (w *ways) pump(to io.Writer, from io.Reader, way int) {
	queue := make(chan chunk, 64)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				queue <- chunk{buf[:n], time.Now().Add(time.Duration(w.delay.Load()))}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range queue {
		for w.hold[way].Load() {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Until(c.due))
		if _, err := to.Write(c.bytes); err != nil {
			break
		}
	}
	go func() {
		for range queue { // until its reader sees that the connection is closed
		}
	}()
}
