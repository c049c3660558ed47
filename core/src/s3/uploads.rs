//! What there is of multipart uploads: ListParts and ListMultipartUploads, page by page.

use super::answer::Response;
use super::call::{HttpRequest, LIST_BODY_BYTES_MAX, Method, RequestKind};
use super::etag::{ETag, EtagQuoting};
use super::failure::{Asked, Failure, no_answer, not_s3, unreadable};
use super::list::{self, ENTRIES_MAX, Unreadable};
use super::multipart::{PARTS_MAX, UploadId, is_gone};
use super::uri::{KEY_BYTES_MAX, StoreUri};
use super::xml::{self, Refusal};
use super::{Action, KEYS_PER_LIST_MAX};
use crate::{Error, ErrorKind};

/// Lists one page of an upload's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParts {
    /// The object it is to become.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
    /// The `next` of the page before: list only parts of higher numbers.
    pub marker: Option<u32>,
    /// Parts a page, 1 to 1,000.
    pub max_parts: u32,
}

/// A page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// The parts, by rising number.
    pub parts: Vec<UploadedPart>,
    /// The `marker` of the next page, if there is one.
    pub next: Option<u32>,
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Length in bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
}

/// Lists one page of the uploads that are under way, or were left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMultipartUploads {
    /// What the keys begin with; may be empty or end within a part. (MinIO knows only whole keys here.)
    pub prefix: String,
    /// The `next` of the page before.
    pub marker: Option<UploadMarker>,
    /// Uploads a page, 1 to 1,000.
    pub max_uploads: u32,
}

/// Where a page of uploads ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadMarker {
    /// The last upload's key; only good for asking for the next page.
    pub key: String,
    /// The last upload's id, where the server goes by it too.
    pub upload: Option<UploadId>,
}

/// A page of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsPage {
    /// The uploads, in the server's order.
    pub uploads: Vec<Upload>,
    /// The `marker` of the next page, if there is one.
    pub next: Option<UploadMarker>,
}

/// An upload that is under way, or was left. Whoever may write to the bucket chose its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The object it is to become: 1 to 1,024 bytes.
    pub key: String,
    /// The upload.
    pub id: UploadId,
    /// When it began, as the server wrote it.
    pub initiated: Option<String>,
}

impl Action for ListParts {
    /// `None` if there is no such upload (any more).
    type Answer = Option<PartsPage>;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        if !(1..=KEYS_PER_LIST_MAX).contains(&self.max_parts) {
            return Err(Error::new(ErrorKind::Invalid, "a listing asks for no or more than 1,000 parts"));
        }
        let mut parameters =
            vec![("max-parts", self.max_parts.to_string()), ("uploadId", self.upload.as_str().to_owned())];
        if let Some(marker) = self.marker {
            parameters.push(("part-number-marker", marker.to_string()));
        }
        let mut request = HttpRequest::new(Method::Get, store.object_query_url(&self.key, parameters)?);
        request.max_response_bytes = LIST_BODY_BYTES_MAX;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<Option<PartsPage>, Failure> {
        let asked = Asked::object(store, Method::Get, &self.key);
        match response.status {
            200 => self.page(&response.body).map(Some).map_err(|refusal| not_s3(&asked, refusal)),
            404 if is_gone(response) => Ok(None),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl ListParts {
    fn page(&self, body: &[u8]) -> Result<PartsPage, Refusal> {
        list::check_len(body)?;
        let mut parts: Vec<UploadedPart> = Vec::new();
        let (mut number, mut size, mut etag) = (None, None, None);
        let (mut truncated, mut marker) = (None, None);
        // moto's document has the second name.
        let inside = |path: &str| {
            let inside = path.strip_prefix("ListPartsResult").or_else(|| path.strip_prefix("ListPartsResponse"));
            inside.filter(|inside| inside.is_empty() || inside.starts_with('/')).map(str::to_owned)
        };
        xml::read(body, |path, text| match inside(path).ok_or("is no ListPartsResult")?.as_str() {
            "/Part/PartNumber" => xml::set(&mut number, text),
            "/Part/Size" => xml::set(&mut size, text),
            "/Part/ETag" => xml::set(&mut etag, text),
            "/Part" => {
                let number = number.take().and_then(|text| text.parse().ok()).ok_or("lacks a part's number")?;
                let before = parts.last().map(|part| part.number).or(self.marker).unwrap_or(0);
                if number <= before || number > PARTS_MAX {
                    return Err("has parts out of order");
                }
                let size = size.take().and_then(|text| text.parse().ok()).ok_or("lacks a part's size")?;
                let etag = etag.take().and_then(|text| ETag::new(text.trim())).ok_or("lacks a part's ETag")?;
                parts.push(UploadedPart { number, size, etag });
                Ok(())
            }
            "/IsTruncated" => xml::set(&mut truncated, text),
            "/NextPartNumberMarker" => xml::set(&mut marker, text),
            _ => Ok(()),
        })?;
        let next = match list::is_truncated(truncated.as_deref())? {
            None | Some(false) => None,
            Some(true) => {
                let next = marker.and_then(|text| text.parse::<u32>().ok()).ok_or("goes on without a marker")?;
                if next <= self.marker.unwrap_or(0) || next > PARTS_MAX {
                    return Err("goes on with the same page again");
                }
                Some(next)
            }
        };
        Ok(PartsPage { parts, next })
    }
}

impl Action for ListMultipartUploads {
    type Answer = UploadsPage;

    fn billing_kind(&self) -> RequestKind {
        RequestKind::List
    }

    fn unsigned(&self, store: &StoreUri, _: EtagQuoting) -> Result<HttpRequest, Error> {
        let mut parameters = list::parameters(store, &self.prefix, "max-uploads", self.max_uploads)?;
        parameters.push(("uploads", String::new()));
        if let Some(UploadMarker { key, upload }) = &self.marker {
            let key = store.full_prefix(key);
            if key.len() > KEY_BYTES_MAX {
                return Err(Error::new(ErrorKind::Invalid, "a listing's marker is longer than a key"));
            }
            parameters.push(("key-marker", key));
            if let Some(upload) = upload {
                parameters.push(("upload-id-marker", upload.as_str().to_owned()));
            }
        }
        let mut request = HttpRequest::new(Method::Get, store.bucket_url(parameters));
        request.max_response_bytes = LIST_BODY_BYTES_MAX;
        Ok(request)
    }

    fn interpret(&self, store: &StoreUri, response: &Response) -> Result<UploadsPage, Failure> {
        let object = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let asked = Asked { object, ..Asked::bucket(store, Method::Get) };
        match response.status {
            200 => self.page(store, &response.body).map_err(|page| unreadable(&asked, page)),
            _ => Err(no_answer(&asked, response)),
        }
    }
}

impl ListMultipartUploads {
    fn page(&self, store: &StoreUri, body: &[u8]) -> Result<UploadsPage, Unreadable> {
        list::check_len(body)?;
        let mut all: Vec<(String, UploadId, Option<String>)> = Vec::new();
        let (mut key, mut id, mut initiated) = (None, None, None);
        let (mut encoding, mut truncated, mut next_key, mut next_id) = (None, None, None, None);
        xml::read(body, |path, text| match path {
            "ListMultipartUploadsResult/Upload/Key" => xml::set(&mut key, text),
            "ListMultipartUploadsResult/Upload/UploadId" => xml::set(&mut id, text),
            "ListMultipartUploadsResult/Upload/Initiated" => xml::set(&mut initiated, text),
            "ListMultipartUploadsResult/Upload" if all.len() == ENTRIES_MAX => Err("lists more than 10,000 uploads"),
            "ListMultipartUploadsResult/Upload" => {
                let id = id.take().and_then(UploadId::new).ok_or("lacks an upload id")?;
                all.push((key.take().ok_or("lacks a key")?, id, initiated.take()));
                Ok(())
            }
            "ListMultipartUploadsResult/EncodingType" => xml::set(&mut encoding, text),
            "ListMultipartUploadsResult/IsTruncated" => xml::set(&mut truncated, text),
            "ListMultipartUploadsResult/NextKeyMarker" => xml::set(&mut next_key, text),
            "ListMultipartUploadsResult/NextUploadIdMarker" => xml::set(&mut next_id, text),
            "ListMultipartUploadsResult" => Ok(()),
            path if path.starts_with("ListMultipartUploadsResult/") => Ok(()),
            _ => Err("is no ListMultipartUploadsResult"),
        })?;

        // It may come after the keys, so they are decoded only now.
        let keys = all.iter().map(|(key, _, _)| key.as_str());
        let written = list::written(encoding.as_deref(), keys, &store.full_prefix(&self.prefix))?;
        let own_key = |key: String| {
            let key = list::read_key(written, key)?;
            let own = store.relative_key(&key).filter(|key| !key.is_empty() && key.starts_with(&self.prefix));
            own.map(str::to_owned).ok_or(Unreadable { why: "names a foreign key", key: Some(key) })
        };
        let mut uploads = Vec::with_capacity(all.len());
        for (key, id, initiated) in all {
            uploads.push(Upload { key: own_key(key)?, id, initiated: list::possible_time(initiated) });
        }
        let next = match list::is_truncated(truncated.as_deref())? {
            None | Some(false) => None,
            Some(true) => {
                let key = own_key(next_key.ok_or("goes on without a marker")?)?;
                let next = UploadMarker { key, upload: next_id.and_then(UploadId::new) };
                if self.marker.as_ref() == Some(&next) {
                    return Err("goes on with the same page again".into());
                }
                Some(next)
            }
        };
        Ok(UploadsPage { uploads, next })
    }
}
