package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"odradek/bench/kafka"
)

// socket is a TCP connection that never blocks. What it did not take at once waits in pending.
type socket struct {
	fd      int
	pending []byte
	at      int // pending[:at] is sent
	in      []byte
	r, w    int // in[r:w] is not yet read
	wantOut bool
}

// dial connects, waiting for that, and makes the socket non-blocking.
func dial(address string) (*socket, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	family, where := sockaddr(a)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err = unix.Connect(fd, where); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect %s: %w", address, err)
	}
	return &socket{fd: fd, in: make([]byte, 64<<10)}, nil
}

func sockaddr(a *net.TCPAddr) (family int, where unix.Sockaddr) {
	if ip4 := a.IP.To4(); ip4 != nil || len(a.IP) == 0 {
		s := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}
		copy(s.Addr[:], ip4)
		return unix.AF_INET, s
	}
	s := &unix.SockaddrInet6{Port: a.Port}
	copy(s.Addr[:], a.IP.To16())
	return unix.AF_INET6, s
}

func (s *socket) close() { unix.Close(s.fd) }

// idle reports whether all that was given has been taken by the kernel.
func (s *socket) idle() bool { return s.at == len(s.pending) }

// send writes head and body. What the kernel does not take is copied, so both may be overwritten at once.
func (s *socket) send(head, body []byte) error {
	n := 0
	if s.idle() {
		var err error
		for n, err = unix.Writev(s.fd, [][]byte{head, body}); errors.Is(err, unix.EINTR); {
			n, err = unix.Writev(s.fd, [][]byte{head, body})
		}
		if n < 0 || errors.Is(err, unix.EAGAIN) {
			n = 0
		} else if err != nil {
			return err
		}
		s.pending, s.at = s.pending[:0], 0
	}
	if n < len(head) {
		s.pending = append(s.pending, head[n:]...)
		n = len(head)
	}
	s.pending = append(s.pending, body[n-len(head):]...)
	return nil
}

// flush writes what is pending, as far as the kernel takes it.
func (s *socket) flush() error {
	for !s.idle() {
		n, err := unix.Write(s.fd, s.pending[s.at:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return err
		default:
			s.at += n
		}
	}
	return nil
}

// receive reads once and gives each whole frame to take. It is io.EOF when the other side has closed.
func (s *socket) receive(take func(frame []byte) error) error {
	if s.r > 0 {
		s.w = copy(s.in, s.in[s.r:s.w])
		s.r = 0
	}
	n, err := unix.Read(s.fd, s.in[s.w:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	s.w += n
	for s.w-s.r >= 4 {
		size := int(binary.BigEndian.Uint32(s.in[s.r:]))
		if size > len(s.in)-4 {
			return fmt.Errorf("%w: a Produce response of %d bytes", kafka.ErrReply, size)
		}
		if s.w-s.r < 4+size {
			break
		}
		if err := take(s.in[s.r+4 : s.r+4+size]); err != nil {
			return err
		}
		s.r += 4 + size
	}
	return nil
}
