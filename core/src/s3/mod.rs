//! The S3 dialect: store addresses, request builders, signing, bounded answer parsers, error meanings.
