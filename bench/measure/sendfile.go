package measure

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sendfileBytes is the size of the file that is sent again and again: larger than any cache of the processor's.
const sendfileBytes = 256 << 20

// Sendfile is how many MB a second the kernel moves from a file in the page cache through so many TCP connections over loopback, by sendfile in pieces, to readers
// who throw away what they get: what a broker that does nothing but send could reach.
func Sendfile(dir string, connections, piece int, length time.Duration) (mbs float64, err error) {
	f, end, err := scratch(dir)
	if err != nil {
		return 0, err
	}
	defer end()
	buf := make([]byte, 1<<20)
	for range sendfileBytes / len(buf) {
		if _, err := f.Write(buf); err != nil {
			return 0, err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var wg sync.WaitGroup
	bytes, errs := make([]int64, connections), make([]error, 2*connections)
	begun := time.Now()
	for i := range connections {
		out, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return 0, err
		}
		in, err := l.Accept()
		if err != nil {
			return 0, errors.Join(err, out.Close())
		}
		wg.Go(func() {
			defer out.Close()
			errs[2*i] = sendFile(out.(*net.TCPConn), f, int64(i)*(sendfileBytes/int64(connections)), piece, begun.Add(length))
		})
		wg.Go(func() {
			defer in.Close()
			own := make([]byte, piece)
			for {
				n, err := io.ReadFull(in, own)
				bytes[i] += int64(n)
				if err != nil {
					if err != io.EOF && err != io.ErrUnexpectedEOF {
						errs[2*i+1] = err
					}
					return
				}
			}
		})
	}
	wg.Wait()
	var sum int64
	for _, n := range bytes {
		sum += n
	}
	return float64(sum) / 1e6 / time.Since(begun).Seconds(), errors.Join(errs...)
}

// sendFile sends a file from an offset on, and from its start when it is over, until a time.
func sendFile(c *net.TCPConn, f *os.File, at int64, piece int, end time.Time) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for time.Now().Before(end) {
		var sent int
		var failure error
		err := raw.Write(func(fd uintptr) bool {
			off := at
			sent, failure = unix.Sendfile(int(fd), int(f.Fd()), &off, min(piece, int(sendfileBytes-at)))
			return failure != unix.EAGAIN
		})
		if err = errors.Join(err, failure); err != nil && failure != unix.EINTR {
			return err
		}
		if at += int64(max(sent, 0)); at >= sendfileBytes {
			at = 0
		}
	}
	return nil
}
