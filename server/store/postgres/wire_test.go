package postgres_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire is a proxy that counts what a client sends by kind of message, and can
// swallow the answer to the next commit.
type wire struct {
	address string // of the database, through the proxy

	mu     sync.Mutex
	counts map[byte]int

	loseAnswer atomic.Bool // cut the connection once a commit's Sync has been answered
}

func newWire(t *testing.T, address string) *wire {
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	server := parsed.Host
	parsed.Host = listener.Addr().String()
	w := &wire{address: parsed.String(), counts: map[byte]int{}}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed with the test
			}
			go w.serve(client, server)
		}
	}()
	return w
}

func (w *wire) serve(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() {
		defer client.Close()
		defer upstream.Close()
		w.forward(client, upstream)
	}()
	w.answer(upstream, client)
}

// forward counts the messages of the client. The first has no kind.
func (w *wire) forward(client, upstream net.Conn) {
	head := make([]byte, 5)
	for first := true; ; first = false {
		start := 0
		if first {
			start = 1
		}
		if _, err := io.ReadFull(client, head[start:]); err != nil {
			return
		}
		if !first {
			w.mu.Lock()
			w.counts[head[0]]++
			w.mu.Unlock()
		}
		if _, err := upstream.Write(head[start:]); err != nil {
			return
		}
		if _, err := io.CopyN(upstream, client, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
	}
}

// answer passes the server's words on, until one is to be lost: then the client
// sees the connection break although the server has done the work.
func (w *wire) answer(upstream, client net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := upstream.Read(buffer)
		if err != nil || w.loseAnswer.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// take returns the counts since the last call.
func (w *wire) take() map[byte]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := w.counts
	w.counts = map[byte]int{}
	return counts
}
