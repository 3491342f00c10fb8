package load

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for sockets with a deadline in nanoseconds.
type poller struct {
	fd     int
	events []unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd, events: make([]unix.EpollEvent, 256)}, err
}

func (p *poller) close() { unix.Close(p.fd) }

func (p *poller) add(s *socket, index int) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(index)})
}

// watch asks to be told when a socket takes more, or no longer.
func (p *poller) watch(s *socket, index int) error {
	want := !s.idle()
	if want == s.wantOut {
		return nil
	}
	s.wantOut = want
	events := uint32(unix.EPOLLIN)
	if want {
		events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: events, Fd: int32(index)})
}

// wait returns what is ready, waiting at most ns nanoseconds; 0 only looks.
func (p *poller) wait(ns int64) ([]unix.EpollEvent, error) {
	ts := unix.NsecToTimespec(ns)
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch {
	case errno == 0:
		return p.events[:n], nil
	case errors.Is(errno, unix.EINTR):
		return nil, nil
	case errors.Is(errno, unix.ENOSYS): // before Linux 5.11: in whole milliseconds, and the rest by looking again and again
		m, err := unix.EpollWait(p.fd, p.events, int(ns/1e6))
		if errors.Is(err, unix.EINTR) {
			return nil, nil
		}
		return p.events[:max(m, 0)], err
	}
	return nil, errno
}
