package estest

// Standalone starts a server outside of a test, for a bench, and returns its URL. Stop ends it and removes its data.
func Standalone() (url string, stop func() error, err error) {
	n, err := start(true)
	if err != nil {
		return "", nil, err
	}
	return n.url(), n.stop, nil
}
